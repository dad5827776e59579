"""Finding image files, whatever folders they lie in."""

import pathlib

from kerastl.apps.data.find_images import find_images
from kerastl.apps.data.folder_layout import require_folder
from kerastl.apps.data.left_out import describe_left_out
from kerastl.apps.data.left_out import relative_names
from kerastl.apps.data.left_out import warn_left_out


def list_images(path, name="unlabelled"):
    """Lists the image files of a folder and of the folders in it.

    By the rules of `find_images`. Images that cannot be read are warned of.

    Args:
        path: A folder of images, of class folders or of both.
        name: What errors call the images.

    Returns:
        A sorted list of paths.

    Raises:
        FileNotFoundError: If there is no such folder.
        NotADirectoryError: If it is a file, such as an archive.
        ValueError: If there are no images in it.
    """
    found = find_some_images(path, name)
    missed = [each for each in found.left_out if each.is_image]
    warn_left_out(path, relative_names(missed, path))
    return found.files


def find_some_images(path, name):
    """`find_images` of a folder that has to have some; see `list_images`."""
    path = pathlib.Path(path)
    require_folder(path, f"folder of {name} images", name, "Name a folder.")
    found = find_images(path)
    if not found.files:
        reasons = describe_left_out(relative_names(found.left_out, path))
        raise ValueError(
            f"There are no images in the folder of {name} images."
            f"{''.join(f' {line}.' for line in reasons)} "
            f"Received: {name}={str(path)!r}"
        )
    return found
