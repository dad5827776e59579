"""Decodes image files, at the size that a network takes."""

import contextlib
import functools
import pathlib

import numpy as np
from PIL import Image
from PIL import ImageOps
from PIL import UnidentifiedImageError

# Vector drawings, which Pillow hands to other programs (Ghostscript, the
# system of Windows), a video format, and formats that it only recognises.
_NOT_READ = frozenset({"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "IPTC"})
# JPEG files of several photos, which the reader of JPEG opens.
_READ_BY_OTHERS = frozenset({"MPO"})

# Names of JPEG files that Pillow has not registered.
_MORE_JPEG = (".jif", ".jfi", ".pjpeg", ".pjp")

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")

_VIDEOS = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".avi"),
    *(".mpg", ".mpeg", ".mts", ".m2ts"),
)

_HEIF_SUFFIXES = (".heic", ".heics", ".heif", ".heifs", ".hif")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1")

HEIF_MISSING = (
    "HEIC needs pillow-heif (pip install 'kerastl[heic]', or pillow-heif alone)"
)


@functools.cache
def _heif_is_read():
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def read_formats():
    """Returns the names of the formats that `Image.open` may try.

    All that Pillow reads, plug-ins included that were imported before, but
    for vector drawings and videos: whatever a file is called, its bytes never
    reach Ghostscript.
    """
    _heif_is_read()
    Image.init()
    named = set(Image.registered_extensions().values())
    return tuple(sorted((named & set(Image.OPEN)) - _NOT_READ))


def image_suffixes():
    """Returns the endings of image files that are read, in small letters."""
    formats = {*read_formats(), *_READ_BY_OTHERS}
    suffixes = Image.registered_extensions().items()
    return frozenset(
        {suffix for suffix, name in suffixes if name in formats}.union(
            _MORE_JPEG
        )
    )


def why_not_read(suffix):
    """Returns why files of an ending are left out, `None` if they are read.

    >>> why_not_read(".jpg")
    >>> why_not_read(".txt")
    'no image by its name (.txt)'
    """
    suffix = suffix.lower()
    if suffix in image_suffixes():
        return None
    if suffix in _HEIF_SUFFIXES:
        return HEIF_MISSING
    if suffix in _ARCHIVES:
        return f"an archive, which is not opened: unpack it ({suffix})"
    if is_video_name(suffix):
        return f"a video, of which only --unlabelled takes frames ({suffix})"
    return f"no image by its name ({suffix or 'no ending'})"


def is_video_name(suffix):
    """Whether files of an ending are videos."""
    return suffix.lower() in _VIDEOS


def is_image_name(suffix):
    """Whether files of an ending are images, be they read or not."""
    suffix = suffix.lower()
    return suffix in _HEIF_SUFFIXES or suffix in image_suffixes()


def _why_not_identified(path):
    """Returns what an image file is that no reader takes."""
    with open(path, "rb") as file:
        start = file.read(16)
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS:
        return HEIF_MISSING
    if start[4:12] in (b"ftypavif", b"ftypavis"):
        return "damaged, or Pillow was built without AVIF"
    if start.startswith((b"%!PS", b"\xc5\xd0\xd3\xc6")):
        return "a PostScript drawing, not a photo"
    return "not an image, or its header is damaged"


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
        return _why_not_identified(path)
    if isinstance(error, Image.DecompressionBombError):
        # Pillow refuses twice its limit, and warns between.
        return (
            f"too large: more than the {2 * Image.MAX_IMAGE_PIXELS} pixels "
            "that Pillow opens at most; scale it down, or, if it can be "
            "trusted, raise PIL.Image.MAX_IMAGE_PIXELS"
        )
    return " ".join(str(error).split()) or type(error).__name__


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


# A share of the image's size: room for crops and shifts.
_MARGIN = 0.15
_MIN_MARGIN = 8


def default_margin(image_size):
    """Returns the pixels that are kept around an image, both sides together.

    >>> default_margin(128)
    19
    """
    return max(_MIN_MARGIN, round(_MARGIN * image_size))


def square_side(runner, model_path):
    """Returns the height and width of the square RGB images of a model.

    Args:
        runner: `kerastl.export.Runner` of the model.
        model_path: Its file, for the message.

    Raises:
        ValueError: If it takes other images.
    """
    height, width, channels = runner.input_shape
    if height != width or channels != 3 or not isinstance(height, int):
        raise ValueError(
            "Photos can be given to models that take square RGB images of a "
            f"fixed size only. Received: model={str(model_path)!r} with input "
            f"shape {runner.input_shape}"
        )
    return height
