import numpy as np
import pytest
from PIL import EpsImagePlugin
from PIL import Image

from kerastl.apps.data import image_formats
from kerastl.apps.data.decode_image import UnreadableImageError
from kerastl.apps.data.decode_image import check_image
from kerastl.apps.data.decode_image import decode_image
from kerastl.apps.data.image_formats import why_not_read

POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\n"
    b"showpage\n%%EOF\n"
)


def photo():
    """Smooth, so that every codec keeps it."""
    rows, columns = np.mgrid[0:40, 0:40]
    pixels = np.stack([rows * 6, columns * 6, 0 * rows + 90], axis=-1)
    return Image.fromarray(pixels.astype("uint8"))


@pytest.mark.parametrize(
    "suffix, format",
    [
        ("jfif", "JPEG"),
        ("jpe", "JPEG"),
        ("jif", "JPEG"),
        ("mpo", "MPO"),
        ("avif", "AVIF"),
        ("webp", "WEBP"),
        ("jp2", "JPEG2000"),
        ("ppm", "PPM"),
        ("tga", "TGA"),
        ("ico", "ICO"),
        ("jpg", "AVIF"),
        ("png", "JPEG"),
        ("heic", "HEIF"),
        ("hif", "HEIF"),
        ("jpg", "HEIF"),
    ],
)
def test_all_that_pillow_reads_is_read(tmp_path, suffix, format):
    if format == "HEIF":
        pytest.importorskip("pillow_heif")
    assert why_not_read(f".{suffix.upper()}") is None
    path = tmp_path / f"a.{suffix}"
    options = {"ICO": {"sizes": [(40, 40)]}}.get(format, {"quality": 95})
    photo().save(path, format=format, **options)
    check_image(path)
    difference = decode_image(path, 40).astype(int) - np.asarray(photo())
    assert np.abs(difference).mean() < 3


def test_pages_and_frames_give_the_first(tmp_path):
    first, second = photo(), Image.new("RGB", (40, 40), "red")
    for name in ("a.tiff", "a.webp", "a.apng"):
        options = {"lossless": True} if name == "a.webp" else {}
        format = {"format": "PNG"} if name == "a.apng" else {}
        first.save(
            tmp_path / name,
            save_all=True,
            append_images=[second],
            **format,
            **options,
        )
        np.testing.assert_array_equal(
            decode_image(tmp_path / name, 40), np.asarray(first)
        )


@pytest.mark.parametrize("read", [lambda p: decode_image(p, 16), check_image])
@pytest.mark.parametrize("name", ["a.jpg", "a.eps", "a.tiff"])
def test_no_drawing_reaches_ghostscript(tmp_path, monkeypatch, read, name):
    def run(*arguments, **options):
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", "gs")
    (tmp_path / name).write_bytes(POSTSCRIPT)
    with pytest.raises(UnreadableImageError, match="PostScript"):
        read(tmp_path / name)
    assert "EPS" not in image_formats.read_formats()


def test_without_its_reader_heic_is_named_with_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(image_formats, "_heif_is_read", lambda: False)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    for suffix in (".heic", ".HEIF", ".hif"):
        assert "kerastl[heic]" in why_not_read(suffix)
        assert image_formats.is_image_name(suffix)
    # Phones send them under other names.
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    with pytest.raises(UnreadableImageError, match="pillow-heif"):
        decode_image(tmp_path / "a.jpg", 16)
