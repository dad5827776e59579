"""Finding image files, whatever folders they lie in."""

import pathlib

from kerastl.apps.data.list_image_folder import IMAGE_SUFFIXES


def list_images(path, name="unlabelled"):
    """Lists the image files of a folder and of the folders in it.

    Args:
        path: A folder of images, of class folders or of both.
        name: What errors call the images.

    Returns:
        A sorted list of paths.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there are no images in it.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        raise FileNotFoundError(
            f"The folder of {name} images does not exist. "
            f"Received: {name}={str(path)!r}"
        )
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.suffix.lower() in IMAGE_SUFFIXES
        and not file.name.startswith(".")
        and file.is_file()
    ]
    if not files:
        raise ValueError(
            f"There are no images in the folder of {name} images. Images "
            f"end in {', '.join(IMAGE_SUFFIXES)}. "
            f"Received: {name}={str(path)!r}"
        )
    return files
