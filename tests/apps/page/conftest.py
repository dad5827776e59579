"""A browser and its runtime, which the tests of the page share."""

import keras
import pytest

from kerastl import export
from kerastl.apps.page.find_runtime import find_runtime
from kerastl.apps.page.write_page import write_page

from .browser import Browser
from .browser import missing


@pytest.fixture(scope="session")
def needs_runtime():
    """Skips where ONNX Runtime Web can neither be found nor fetched."""
    try:
        find_runtime()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def needs_browser(needs_runtime):
    """Skips where there is no browser."""
    if missing():
        pytest.skip(missing())


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """An ONNX file of three classes, whose answers differ between photos."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs the TensorFlow backend")
    keras.utils.set_random_seed(5)
    network = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Rescaling(1 / 64, -2),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    export.to_onnx(network, path, scheme="float32")
    names = ["circle", "cross", "square"]
    export.write_metadata(path, export.Metadata(names))
    return path


@pytest.fixture(scope="session")
def page(model, needs_browser, tmp_path_factory):
    """The address of its page, opened from a file."""
    path = tmp_path_factory.mktemp("page") / "try.html"
    return write_page(model, path).as_uri()


@pytest.fixture(scope="module")
def browser(needs_browser):
    """A browser without a camera."""
    with Browser() as browser:
        yield browser


@pytest.fixture
def opened(browser, page):
    """A browser that has the page open."""
    if browser.run("location.href") != page or browser.run("!session"):
        browser.open(page)
    return browser
