"""The report of a run in a real browser."""

import functools
import http.server
import json
import shutil
import threading

import pytest

from kerastl import apps
from kerastl.apps.page.find_runtime import find_runtime
from kerastl.apps.report.code_snippets import code_snippets

pytestmark = pytest.mark.tensorflow_only


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and says nothing."""

    def log_message(self, *arguments):
        pass


@pytest.fixture
def folder(tmp_path):
    """An empty folder to serve."""
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def address(folder):
    """Where that folder is served."""
    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def colour(browser, selector, name):
    return browser.run(
        f"getComputedStyle(document.querySelector('{selector}')).{name}"
    )


def test_it_is_light_or_dark_and_fits_a_phone(
    browser, folder, address, finished_run
):
    shutil.copy(finished_run.output / "report.html", folder)
    seen = {}
    for scheme in ("light", "dark"):
        browser.show_as(400, 800, dark=scheme == "dark", mobile=True)
        browser.call("Page.navigate", url=f"{address}/report.html")
        browser.wait("document.readyState === 'complete' && !!window.curves")
        assert browser.run("document.documentElement.scrollWidth") <= 400
        # Such as the layers' names, which do not fit.
        assert browser.run(
            "[...document.querySelectorAll('.scroll')].some("
            "(each) => each.scrollWidth > each.clientWidth)"
        )
        seen[scheme] = [
            colour(browser, "section", "backgroundColor"),
            colour(browser, "svg [style*=ink]", "fill"),
        ]
    assert seen == {
        "light": ["rgb(255, 255, 255)", "rgb(31, 41, 51)"],
        "dark": ["rgb(29, 36, 43)", "rgb(230, 234, 238)"],
    }
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert colour(browser, "section", "backgroundColor") == seen["light"][0]


def test_the_javascript_in_it_says_what_predict_says(
    browser, folder, address, colours
):
    shutil.copytree(colours, folder, dirs_exist_ok=True)
    found = code_snippets(json.loads((folder / "report.json").read_text()))
    [program] = [each for each in found if each["language"] == "javascript"]
    (folder / "classify.mjs").write_text(program["code"])
    runtime = find_runtime()
    (folder / "ort.mjs").write_bytes(runtime.script)
    wasm = "ort-wasm-simd-threaded.wasm"
    (folder / wasm).write_bytes(runtime.wasm)
    (folder / "index.html").write_text(
        """<!DOCTYPE html><script type="importmap">
        {"imports": {"onnxruntime-web": "./ort.mjs"}}</script>
        <script type="module">
        import { classify } from "./classify.mjs";
        window.ask = async (name) => classify(
          await createImageBitmap(await (await fetch(name)).blob()));
        </script>"""
    )
    browser.call("Page.navigate", url=f"{address}/index.html")
    browser.wait("!!window.ask")
    names = ["red", "green", "blue"]
    photos = [folder / f"{name}.jpg" for name in names]
    found = apps.predict(folder / "model_float32.onnx", photos).predictions
    assert [each["classes"][0]["class"] for each in found] == names
    assert [browser.run(f"ask('{photo.name}')") for photo in photos] == names
