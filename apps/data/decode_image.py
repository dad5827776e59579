"""One image file to one square RGB array."""

import contextlib

import numpy as np
from PIL import Image
from PIL import ImageOps
from PIL import UnidentifiedImageError

from kerastl.apps.data.image_formats import read_formats
from kerastl.apps.data.image_formats import why_not_identified

MIN_SIDE = 8

_WITH_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")


class UnreadableImageError(ValueError):
    """An image file that is damaged, cut short or too small."""


def decode_image(path, size):
    """Decodes an image file to a square of RGB bytes.

    The short side is resized to `size` and the middle of the long side is
    kept. All photo formats that Pillow reads are read (JPEG, PNG, WebP, AVIF,
    TIFF, GIF and more), HEIC where pillow-heif is installed; of several
    frames or pages the first. The rotation in EXIF is applied, transparent
    pixels are laid on white, grey, palette and CMYK images become RGB, 16-bit
    values are scaled to 8 bits. Colour profiles are not applied.

    Args:
        path: The file.
        size: Height and width of the result.

    Returns:
        A `uint8` array `(size, size, 3)`.

    Raises:
        UnreadableImageError: If the file cannot be decoded to its end, or a
            side is shorter than 8 pixels.
    """
    with open_image(path) as image:
        # JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, much faster.
        image.draft(None, (size, size))
        image = to_rgb(ImageOps.exif_transpose(image))
        return np.asarray(to_square(image, size))


@contextlib.contextmanager
def open_image(path):
    """Yields a Pillow image of a file, of which nothing is decoded yet.

    Raises:
        UnreadableImageError: As `decode_image`, whatever in the block finds
            the image damaged.
    """
    try:
        with Image.open(path, formats=read_formats()) as image:
            _check_size(image)
            yield image
    except UnreadableImageError:
        raise
    except Exception as error:
        # The decoders raise whatever the damaged bytes lead them to.
        raise UnreadableImageError(_reason(error, path)) from error


def check_image(path):
    """Reads an image file to its end, at the least cost.

    Raises:
        UnreadableImageError: As `decode_image`.
    """
    with open_image(path) as image:
        image.draft(None, (MIN_SIDE, MIN_SIDE))
        image.load()


def _check_size(image):
    if min(image.size) < MIN_SIDE:
        width, height = image.size
        raise UnreadableImageError(
            f"too small: {width}x{height} pixels, at least "
            f"{MIN_SIDE}x{MIN_SIDE} are needed"
        )


def to_rgb(image):
    """Returns a Pillow image of any mode as RGB, what is clear on white."""
    if image.mode == "F" or image.mode.startswith("I"):
        image = _to_8_bits(image)
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _to_8_bits(image):
    values = np.asarray(image).astype("float64")
    if not np.isfinite(values).all():
        raise UnreadableImageError("has pixels that are not finite numbers")
    if image.mode == "F" and values.max() <= 1:
        values = values * 255
    elif image.mode.startswith("I;16") or values.max() > 255:
        values = values / 257
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype("uint8"))


def to_square(image, size):
    """Resizes the short side of a Pillow image; keeps the long one's middle."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return image.resize(
        (size, size),
        Image.Resampling.BILINEAR,
        box=(left, top, left + side, top + side),
        reducing_gap=2.0,
    )


def _reason(error, path):
    if isinstance(error, UnidentifiedImageError):
        return why_not_identified(path)
    if isinstance(error, Image.DecompressionBombError):
        # Pillow refuses twice its limit, and warns between.
        return (
            f"too large: more than the {2 * Image.MAX_IMAGE_PIXELS} pixels "
            "that Pillow opens at most; scale it down, or, if it can be "
            "trusted, raise PIL.Image.MAX_IMAGE_PIXELS"
        )
    return " ".join(str(error).split()) or type(error).__name__
