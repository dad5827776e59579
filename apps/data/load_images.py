"""Single image files, as evaluation would give them to a network."""

import pathlib

import numpy as np

from kerastl.apps.data.decode_image import UnreadableImageError
from kerastl.apps.data.decode_image import decode_image
from kerastl.apps.data.default_margin import default_margin


def load_images(files, image_size):
    """Decodes image files to the centre crops that evaluation uses.

    Args:
        files: Paths of image files.
        image_size: Height and width that the network takes.

    Returns:
        `uint8` array `(n, image_size, image_size, 3)`.

    Raises:
        FileNotFoundError: If there is no such file.
        UnreadableImageError: If a file is damaged or too small; with its
            name.
    """
    margin = default_margin(image_size)
    start = margin // 2
    images = []
    for file in map(pathlib.Path, files):
        if not file.is_file():
            raise FileNotFoundError(
                f"There is no image file '{file}'. Name the photos of a folder "
                f"as {file.name or 'photos'}/*.jpg, or measure on it with "
                f"kerastl evaluate. Received: image={str(file)!r}"
                if file.is_dir()
                else f"There is no image file '{file}'. "
                f"Received: image={str(file)!r}"
            )
        try:
            image = decode_image(file, image_size + margin)
        except UnreadableImageError as error:
            raise UnreadableImageError(
                f"The image '{file}' cannot be used: {error}. "
                f"Received: image={str(file)!r}"
            ) from error
        end = start + image_size
        images.append(image[start:end, start:end])
    return np.stack(images)
