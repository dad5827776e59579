"""Which image formats are read, as Pillow itself tells."""

import functools

from PIL import Image

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


def why_not_identified(path):
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
