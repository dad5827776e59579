import numpy as np
import pytest
from PIL import EpsImagePlugin
from PIL import Image

from kerastl import apps
from kerastl.apps.data import decode_image as module
from kerastl.apps.data.decode_image import UnreadableImageError
from kerastl.apps.data.decode_image import check_image
from kerastl.apps.data.decode_image import decode_image
from kerastl.apps.data.decode_image import default_margin
from kerastl.apps.data.decode_image import load_images
from kerastl.apps.data.decode_image import why_not_read

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def halves(mode="RGB", size=(32, 32)):
    """Red above, blue below."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (0, size[1] // 2, *size))
    return image.convert(mode)


def near(pixel, expected, tolerance=6):
    difference = np.subtract(pixel, expected, dtype="float64")
    assert np.abs(difference).max() <= tolerance


@pytest.mark.parametrize(
    "suffix, options",
    [
        ("jpg", {"quality": 95}),
        ("png", {}),
        ("bmp", {}),
        ("webp", {"lossless": True}),
        ("gif", {}),
        ("tiff", {}),
    ],
)
def test_every_format_gives_the_colours(tmp_path, suffix, options):
    halves().save(tmp_path / f"a.{suffix}", **options)
    decoded = decode_image(tmp_path / f"a.{suffix}", 16)
    assert decoded.shape == (16, 16, 3) and decoded.dtype == np.uint8
    near(decoded[2, 8], RED)
    near(decoded[13, 8], BLUE)


@pytest.mark.parametrize("mode", ["P", "CMYK", "L", "1", "LA", "PA"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    suffix = "tiff" if mode in ("CMYK", "PA") else "png"
    if mode == "PA":
        halves("P").convert("PA").save(tmp_path / f"a.{suffix}")
    else:
        halves(mode).save(tmp_path / f"a.{suffix}")
    decoded = decode_image(tmp_path / f"a.{suffix}", 8)
    expected = np.asarray(halves(mode).convert("RGB"))
    # Two colours and black or white are mixed to a pattern: compare means.
    near(decoded[:3].mean((0, 1)), expected[:12].mean((0, 1)))
    near(decoded[5:].mean((0, 1)), expected[20:].mean((0, 1)))


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    halves("CMYK").save(tmp_path / "a.jpg", quality=95)
    near(decode_image(tmp_path / "a.jpg", 8)[1, 4], RED, 12)


def test_transparency_is_laid_on_white(tmp_path):
    clear = halves("RGBA")
    clear.putalpha(Image.new("L", clear.size, 0))
    clear.save(tmp_path / "clear.png")
    assert (decode_image(tmp_path / "clear.png", 8) == 255).all()

    half = halves("RGBA")
    half.putalpha(Image.new("L", half.size, 128))
    half.save(tmp_path / "half.webp", lossless=True)
    near(decode_image(tmp_path / "half.webp", 8)[1, 4], (255, 127, 127))

    palette = halves("P")
    palette.save(tmp_path / "p.png", transparency=palette.getpixel((0, 0)))
    decoded = decode_image(tmp_path / "p.png", 8)
    near(decoded[1, 4], WHITE)
    near(decoded[6, 4], BLUE)


def test_16_bit_grey_is_scaled_not_cut(tmp_path):
    ramp = np.linspace(0, 65535, 32).astype("uint16")
    Image.fromarray(np.tile(ramp, (32, 1))).save(tmp_path / "a.png")
    decoded = decode_image(tmp_path / "a.png", 32)
    near(decoded[0, :, 0], np.rint(ramp / 257), 1)


def test_16_bits_are_divided_by_257_exactly(tmp_path):
    # 255 * 257 is the largest of 16 bits, and by 256 half of them are off.
    levels = np.arange(256, dtype="uint16").reshape(16, 16)
    Image.fromarray(levels * 257).save(tmp_path / "a.png")
    decoded = decode_image(tmp_path / "a.png", 16)
    np.testing.assert_array_equal(decoded[..., 0], levels)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_rotation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    halves().save(tmp_path / "a.jpg", exif=exif, quality=95)
    decoded = decode_image(tmp_path / "a.jpg", 16)
    # 3: upside down. 6 and 8: the top of the scene is at one side.
    red_at = {3: (13, 8), 6: (8, 13), 8: (8, 2)}[orientation]
    near(decoded[red_at], RED)
    near(decoded[15 - red_at[0], 15 - red_at[1]], BLUE)


def test_the_middle_of_the_long_side_is_kept(tmp_path):
    image = Image.new("RGB", (90, 30), BLUE)
    image.paste(RED, (30, 0, 60, 30))
    image.save(tmp_path / "a.png")
    near(
        decode_image(tmp_path / "a.png", 30), np.broadcast_to(RED, (30, 30, 3))
    )


def test_large_photos_are_averaged_not_subsampled(tmp_path):
    stripes = np.zeros((640, 640, 3), "uint8")
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "a.png")
    near(decode_image(tmp_path / "a.png", 16), 127, 3)


@pytest.mark.parametrize("read", [lambda p: decode_image(p, 16), check_image])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_cut_off_files_are_told(tmp_path, suffix, read):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), "uint8")
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    read(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableImageError):
        read(path)


@pytest.mark.parametrize("read", [lambda p: decode_image(p, 16), check_image])
def test_other_bad_files_are_told(tmp_path, read):
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(UnreadableImageError, match="not an image"):
        read(tmp_path / "text.jpg")
    (tmp_path / "empty.png").touch()
    with pytest.raises(UnreadableImageError, match="not an image"):
        read(tmp_path / "empty.png")
    halves(size=(40, 7)).save(tmp_path / "tiny.png")
    with pytest.raises(UnreadableImageError, match="too small: 40x7"):
        read(tmp_path / "tiny.png")


def test_a_large_jpeg_is_decoded_no_smaller_than_it_is_used(tmp_path):
    """The decoder may halve a photo, but not below the size that is asked."""
    rows, columns = np.mgrid[0:400, 0:600]
    waves = 128 + 100 * np.sin(columns / 3) * np.cos(rows / 4)
    image = Image.fromarray(waves.astype("uint8")).convert("RGB")
    image.save(tmp_path / "a.jpg", quality=95)
    image.save(tmp_path / "a.png")
    for size in (400, 190, 100):
        found = decode_image(tmp_path / "a.jpg", size).astype(int)
        expected = decode_image(tmp_path / "a.png", size)
        assert np.abs(found - expected).mean() < 8


@pytest.mark.parametrize("value, expected", [(257, 1), (51400, 200)])
def test_16_bits_are_257_times_8_bits(tmp_path, value, expected):
    pixels = np.full((32, 32), value, "uint16")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (decode_image(tmp_path / "a.png", 16) == expected).all()


@pytest.mark.parametrize(
    "values, expected",
    [((0, 1), (0, 255)), ((0, 200), (0, 200)), ((0, 65535), (0, 255))],
)
def test_float_pixels_are_scaled_by_their_range(tmp_path, values, expected):
    pixels = np.full((32, 32), values[0], "float32")
    pixels[16:] = values[1]
    Image.fromarray(pixels).save(tmp_path / "a.tiff")
    decoded = decode_image(tmp_path / "a.tiff", 32)
    assert (decoded[4, 4, 0], decoded[28, 4, 0]) == expected


def test_pixels_that_are_no_numbers_are_told(tmp_path):
    pixels = np.zeros((32, 32), "float32")
    pixels[3, 3] = np.nan
    Image.fromarray(pixels).save(tmp_path / "a.tiff")
    with pytest.raises(UnreadableImageError, match="not finite"):
        decode_image(tmp_path / "a.tiff", 16)


@pytest.mark.parametrize("read", [lambda p: decode_image(p, 16), check_image])
def test_more_pixels_than_pillow_opens_are_told(tmp_path, monkeypatch, read):
    halves(size=(40, 30)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 600)
    with pytest.warns(Image.DecompressionBombWarning):
        halves(size=(31, 30)).save(tmp_path / "b.png")
        read(tmp_path / "b.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 599)
    with pytest.raises(
        UnreadableImageError, match="the 1198 pixels.*MAX_IMAGE_PIXELS"
    ):
        read(tmp_path / "a.png")


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
    assert "EPS" not in module.read_formats()


def test_without_its_reader_heic_is_named_with_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_heif_is_read", lambda: False)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    for suffix in (".heic", ".HEIF", ".hif"):
        assert "kerastl[heic]" in why_not_read(suffix)
        assert module.is_image_name(suffix)
    # Phones send them under other names.
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    with pytest.raises(UnreadableImageError, match="pillow-heif"):
        decode_image(tmp_path / "a.jpg", 16)


def test_they_are_the_crops_that_evaluation_uses(shapes):
    data = apps.load_image_folder(shapes, 16, validation_split=0)
    images, _ = data.images("train")
    np.testing.assert_array_equal(
        load_images(data.parts["train"].files, 16), images
    )


def test_bad_images_are_named(shapes, tmp_path):
    good = shapes / "cross" / "00.png"
    (tmp_path / "note.png").write_text("no image")
    with pytest.raises(UnreadableImageError, match="note.png' cannot be used"):
        load_images([good, tmp_path / "note.png"], 16)
    with pytest.raises(FileNotFoundError, match="none.png"):
        load_images([good, tmp_path / "none.png"], 16)
    with pytest.raises(FileNotFoundError, match=r"cross/\*.jpg.*evaluate"):
        load_images([shapes / "cross"], 16)


def test_a_share_of_the_size_but_never_nothing():
    assert [default_margin(size) for size in (8, 32, 128, 224)] == [
        8,
        8,
        19,
        34,
    ]
