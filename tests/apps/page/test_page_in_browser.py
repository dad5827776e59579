"""The page in a real browser: its answers are those of predict."""

import base64
import json
import shutil

import numpy as np
import onnx
import pytest
from PIL import Image

from kerastl import apps
from kerastl.apps.data.decode_image import decode_image
from kerastl.apps.page.write_page import write_page
from kerastl.export import Metadata
from kerastl.export import write_metadata

from .browser import Browser

pytestmark = pytest.mark.tensorflow_only

FAKE = "--use-fake-device-for-media-stream"


def drawing(width, height, mode="RGB"):
    """A photo with large patches and some noise."""
    generator = np.random.default_rng(3)
    patches = generator.integers(0, 256, (7, 9, len(mode)))
    image = Image.fromarray(patches.astype("uint8"), mode)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    noise = generator.integers(-9, 10, (height, width, len(mode)))
    pixels = np.asarray(image).astype(int) + noise
    return Image.fromarray(np.clip(pixels, 0, 255).astype("uint8"), mode)


def check_answer(browser, model, photo):
    """What is shown is what `predict` says of a photo."""
    expected = apps.predict(model, [photo], top=5).predictions[0]["classes"]
    shown = browser.classes()
    assert shown[0][0] == expected[0]["class"]
    assert dict(shown) == pytest.approx(
        {each["class"]: each["score"] for each in expected}, abs=1e-3
    )


def square(browser, photo, size):
    """The pixels that the page cuts out of a photo."""
    content = base64.b64encode(photo.read_bytes()).decode()
    data = browser.run(
        f"""(async () => {{
          const bytes = Uint8Array.from(
            atob("{content}"), (each) => each.charCodeAt(0));
          const {{ photo, flips }} = await openPhoto(new Blob([bytes]));
          const data = toSquare(photo, {size}, flips).data;
          return btoa(
            Array.from(data, (each) => String.fromCharCode(each)).join(""));
        }})()"""
    )
    pixels = np.frombuffer(base64.b64decode(data), "uint8")
    return pixels.reshape(size, size, 4)[..., :3].astype(int)


def test_answers_are_those_of_predict(opened, model, tmp_path):
    for name, size, mode in (
        ("small.png", (17, 9), "RGB"),
        ("tall.png", (40, 83), "RGB"),
        ("large.png", (801, 603), "RGB"),
        ("clear.png", (60, 50), "RGBA"),
        ("photo.jpg", (47, 60), "RGB"),
        ("photo.webp", (90, 64), "RGB"),
    ):
        photo = tmp_path / name
        drawing(*size, mode).save(photo)
        opened.choose(photo)
        assert opened.problem() == ""
        check_answer(opened, model, photo)
    assert " ms for the network" in opened.run("time.textContent")


def test_pixels_are_those_of_pillow(opened, tmp_path):
    for size in ((24, 24), (30, 64), (300, 200), (200, 300), (900, 401)):
        photo = tmp_path / "photo.png"
        drawing(*size).save(photo)
        found = square(opened, photo, 24)
        assert np.abs(found - decode_image(photo, 24)).max() <= 1
        assert np.abs(found - decode_image(photo, 24)).mean() < 0.01


def test_large_jpegs_are_averaged_in_the_decoders_blocks(opened, tmp_path):
    # The decoder rounds for itself, so a grey level is between them; a block
    # that begins elsewhere would be dozens.
    exif = Image.Exif()
    for turn in range(1, 9):
        exif[0x0112] = turn
        photo = tmp_path / "photo.jpg"
        drawing(299, 204).save(photo, exif=exif, quality=95)
        found = square(opened, photo, 24)
        assert np.abs(found - decode_image(photo, 24)).mean() < 0.6, turn


def test_dropped_photos_all_get_an_answer(opened, model, shapes):
    photos = [shapes / name / "00.png" for name in ("circle", "cross")]
    contents = [base64.b64encode(each.read_bytes()).decode() for each in photos]
    opened.run(
        f"""photos.replaceChildren(); {{
          const data = new DataTransfer();
          {json.dumps(contents)}.forEach((content, index) => data.items.add(
            new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))],
                     `${{index}}.png`)));
          document.dispatchEvent(
            new DragEvent("drop", {{ dataTransfer: data }}));
        }}"""
    )
    opened.wait("document.querySelectorAll('#photos figure').length === 2")
    check_answer(opened, model, photos[1])


def test_48_megapixels(opened, model, tmp_path):
    photo = tmp_path / "large.jpg"
    Image.new("RGB", (8000, 6000), (200, 30, 90)).save(photo)
    opened.choose(photo)
    check_answer(opened, model, photo)


def test_what_cannot_be_read_says_so_and_the_rest_goes_on(
    opened, shapes, tmp_path
):
    pytest.importorskip("pillow_heif").register_heif_opener()
    heic = tmp_path / "phone.heic"
    drawing(64, 64).save(heic)
    (tmp_path / "note.png").write_text("no image")
    drawing(5, 40).save(tmp_path / "thin.png")
    names = ("phone.heic", "note.png", "thin.png")
    opened.choose(
        *(tmp_path / name for name in names), shapes / "cross" / "01.png"
    )
    heic, note, thin = opened.problem().split("\n")
    assert heic.startswith("phone.heic is HEIC") and "JPEG" in heic
    assert note.startswith("note.png cannot be read")
    assert thin.startswith("thin.png is too small: 5 x 40 pixels")
    assert len(opened.classes()) == 3


def test_camera(page, model, tmp_path, needs_browser):
    pixels = np.asarray(drawing(640, 480).convert("YCbCr"))
    planes = [pixels[..., 0], *np.moveaxis(pixels[::2, ::2, 1:], -1, 0)]
    film = tmp_path / "film.y4m"
    film.write_bytes(
        b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420\nFRAME\n"
        + b"".join(plane.tobytes() for plane in planes)
    )
    with Browser(
        FAKE,
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ) as browser:
        browser.open(page)
        browser.run("camera.click()")
        browser.wait("document.querySelectorAll('#classes li').length")
        frame = browser.run(
            """(async () => {
              const bitmap = await createImageBitmap(video);
              const canvas = document.createElement("canvas");
              [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
              canvas.getContext("2d").drawImage(bitmap, 0, 0);
              return canvas.toDataURL().split(",")[1];
            })()"""
        )
        photo = tmp_path / "frame.png"
        photo.write_bytes(base64.b64decode(frame))
        assert Image.open(photo).size == (640, 480)
        check_answer(browser, model, photo)
        assert browser.run("answer.textContent") == browser.classes()[0][0]
        browser.run("camera.click()")
        assert browser.run("video.hidden && !stream")


def test_a_camera_that_cannot_be_had_says_what_to_do(opened):
    for name, said in (
        ("NotAllowedError", "denied. Allow it for this page"),
        ("NotFoundError", "There is no camera. Connect one"),
        ("NotReadableError", "in use by another program"),
        ("AbortError", "could not be opened"),
    ):
        opened.run(
            f"""complain(""); navigator.mediaDevices.getUserMedia =
              async () => {{ throw new DOMException("why", "{name}") }};
            camera.click()"""
        )
        problem = opened.wait("!problem.hidden && problem.textContent")
        assert said in problem and "hoose photos" in problem
        # It is opened from a file, where some browsers give no camera.
        assert "--serve opens it on localhost" in problem
    opened.run('complain("")')


def test_no_camera(opened):
    opened.run("complain(''); camera.click()")
    assert opened.wait("!problem.hidden && problem.textContent")


def test_without_webassembly(browser, page):
    script = browser.call(
        "Page.addScriptToEvaluateOnNewDocument",
        source="delete globalThis.WebAssembly",
    )
    browser.open(page)
    browser.call("Page.removeScriptToEvaluateOnNewDocument", **script)
    assert browser.run("answer.textContent") == "Not ready"
    assert "WebAssembly is off" in browser.problem()
    assert browser.run("camera.disabled && files.disabled")


def test_labels_are_text(browser, model, shapes, tmp_path, needs_runtime):
    names = ["<img src=x onerror=alert(1)>", "</script><b>", "\u00e9 & \u2028"]
    odd = shutil.copy(model, tmp_path / "odd.onnx")
    write_metadata(odd, Metadata(names))
    browser.open(write_page(odd).as_uri())
    browser.choose(shapes / "cross" / "02.png")
    assert {name for name, _ in browser.classes()} == set(names)
    assert browser.run("document.querySelectorAll('li img, li b').length") == 0


def test_without_labels_the_classes_are_numbered(
    browser, model, shapes, tmp_path, needs_runtime
):
    network = onnx.load(model)
    del network.metadata_props[:]
    onnx.save(network, tmp_path / "bare.onnx")
    browser.open(write_page(tmp_path / "bare.onnx").as_uri())
    assert not browser.run("unnamed.hidden")
    photo = shapes / "cross" / "02.png"
    browser.choose(photo)
    check_answer(browser, tmp_path / "bare.onnx", photo)


def test_it_fits_a_phone_and_the_keyboard_reaches_all(browser, page, shapes):
    browser.show_as(360, 740, dark=True, mobile=True)
    browser.open(page)
    browser.choose(shapes / "cross" / "03.png", shapes / "circle" / "03.png")
    assert browser.run("document.documentElement.scrollWidth") == 360
    colour = browser.run("getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb(20, 25, 30)"
    reached = []
    for _ in range(2):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab")
        reached.append(browser.run("document.activeElement.id"))
    assert reached == ["camera", "files"]
