import threading
import urllib.error
import urllib.request

import onnx
import pytest
from typer.testing import CliRunner

from kerastl.apps.page import find_runtime as runtime_module
from kerastl.apps.page.find_runtime import VERSION
from kerastl.apps.page.find_runtime import find_runtime
from kerastl.apps.page.serve_page import make_server
from kerastl.apps.page.write_page import make_page
from kerastl.apps.page.write_page import write_page
from kerastl_command_line.app import app

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture
def package(tmp_path):
    """A folder like that of the npm package, with short files."""
    dist = tmp_path / "node_modules" / "onnxruntime-web" / "dist"
    dist.mkdir(parents=True)
    script = b"/*!\n * ONNX Runtime Web v1.2.3\n */\nexport {};"
    (dist / "ort.wasm.bundle.min.mjs").write_bytes(script)
    (dist / "ort-wasm-simd-threaded.wasm").write_bytes(b"\0asm" * 500)
    return tmp_path


@pytest.fixture
def no_npm(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime_module.shutil, "which", lambda name: None)


def refused(message, *arguments):
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())


def test_a_runtime_is_found_in_a_package(package):
    for folder in (package, package / "node_modules" / "onnxruntime-web"):
        found = find_runtime(folder)
        assert found.version == "1.2.3"
        assert found.wasm.startswith(b"\0asm")
    with pytest.raises(FileNotFoundError, match="npm package onnxruntime-web"):
        find_runtime(package / "node_modules")


def test_without_npm_it_says_how_to_get_the_runtime(no_npm):
    with pytest.raises(FileNotFoundError) as raised:
        find_runtime()
    assert f"npm pack onnxruntime-web@{VERSION}" in str(raised.value)
    assert "--runtime" in str(raised.value)


def test_a_page_is_made_of_one_model_only(model, package, tmp_path, no_npm):
    page = make_page(model, package)
    assert make_page(model, package) == page
    # Nothing of the template is left, and nothing is fetched.
    for text in (b"{code}", b"{model}", b'src="http', b"@import"):
        assert text not in page
    path = write_page(model, tmp_path / "it.html", package)
    assert path.read_bytes() == page
    with pytest.raises(FileExistsError, match="overwrite"):
        write_page(model, path, package)
    refused(
        "ends in '.html'".replace("ends", "end"),
        "page",
        model,
        "--output",
        tmp_path / "it.txt",
    )
    refused("needs ONNX Runtime Web", "page", model)
    # Not that the page of the other model is there.
    (tmp_path / "try.html").touch()
    refused("runs ONNX files", "page", tmp_path / "model.tflite")


def test_models_of_another_kind_are_refused(model, package, tmp_path):
    network = onnx.load(model)
    second = network.graph.output.add()
    second.CopyFrom(network.graph.output[0])
    second.name = network.graph.node[0].output[0]
    second.type.tensor_type.ClearField("shape")
    onnx.save(network, tmp_path / "two.onnx")
    refused(
        "it has 2 outputs", "page", tmp_path / "two.onnx", "--runtime", package
    )
    apart = tmp_path / "apart.onnx"
    onnx.save(
        onnx.load(model),
        apart,
        save_as_external_data=True,
        size_threshold=100,
        location="weights",
    )
    refused("weights are in another file", "page", apart, "--runtime", package)


def test_the_server_gives_the_page_and_nothing_else():
    server, address = make_server(b"<p>page", port=0)
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with urllib.request.urlopen(address) as answer:
            assert answer.read() == b"<p>page"
            assert answer.headers["Cache-Control"] == "no-store"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{address}../etc/passwd")
        assert address.startswith("http://localhost:")
        with pytest.raises(OSError, match="Choose another --port"):
            make_server(b"", port=server.server_address[1])
        server.shutdown()
        thread.join()
    server, address = make_server(b"", host="0.0.0.0", port=0)
    server.server_close()
    assert "0.0.0.0" not in address and "localhost" not in address


def test_help_teaches_within_80_columns():
    result = CliRunner().invoke(app, ["page", "--help"])
    assert "kerastl page model_int8.onnx --serve" in result.output
    assert max(map(len, result.output.splitlines())) <= 80
