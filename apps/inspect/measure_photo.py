"""What one look at a photo tells, without a network."""

import hashlib
from typing import NamedTuple

import numpy as np
from PIL import ImageOps

from kerastl.apps.data.decode_image import UnreadableImageError
from kerastl.apps.data.decode_image import open_image
from kerastl.apps.data.decode_image import to_rgb
from kerastl.apps.data.fingerprint import fingerprint

# Sharpness depends on the size, so that all are looked at in about the same.
_LONG_SIDE = 256


class PhotoFacts(NamedTuple):
    """A photo in numbers.

    Args:
        width: In pixels, after EXIF's rotation.
        height: In pixels.
        light: The brightness, 0 to 255, that nine tenths of it are under.
        sharpness: Variance of the Laplacian; below 30 or so is blurred.
        digest: Of the file's bytes, equal for exact copies.
        hash: 64 bits that copies of another size or quality nearly share.
        small: The grey picture, 32 x 32 bytes.
    """

    width: int
    height: int
    light: float
    sharpness: float
    digest: bytes
    hash: int
    small: np.ndarray


def measure_photo(path):
    """Returns the `PhotoFacts` of a file, or why it cannot be read, as text.

    >>> measure_photo("photos/cat/1.jpg").width
    640
    """
    try:
        with open_image(path) as image:
            width, height = image.size
            if image.getexif().get(0x0112, 1) >= 5:
                width, height = height, width
            image.draft(None, (_LONG_SIDE, _LONG_SIDE))
            image = to_rgb(ImageOps.exif_transpose(image)).convert("L")
            image.thumbnail((_LONG_SIDE, _LONG_SIDE), reducing_gap=2.0)
    except UnreadableImageError as error:
        return str(error)
    grey = np.asarray(image, "float32")
    hashed, small = fingerprint(image)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return PhotoFacts(
        width,
        height,
        float(np.percentile(grey, 90)),
        _sharpness(grey),
        digest,
        hashed,
        small,
    )


def _sharpness(grey):
    middle = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((around - 4 * middle).var())
