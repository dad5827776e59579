import json
import sys
from types import SimpleNamespace

import pytest

from kerastl.export import to_onnx
from kerastl.export import to_tflite
from kerastl.export.utils.third_party import probe_file
from kerastl.export.utils.third_party import run_probe

pytestmark = pytest.mark.tensorflow_only


def test_every_kind_is_loaded_in_a_process_of_its_own(cnn, tmp_path):
    to_tflite(cnn, tmp_path / "a.tflite", "float32")
    to_onnx(cnn, tmp_path / "a.onnx", "float32")
    cnn.save(tmp_path / "a.keras")
    found = {
        suffix: probe_file(tmp_path / f"a.{suffix}")
        for suffix in ("tflite", "onnx", "keras")
    }
    for each in found.values():
        assert each["load_ms"] > 0
        assert each["first_ms"] > 0
    if sys.platform == "linux":
        for each in found.values():
            assert 0 <= each["memory_bytes"] < each["peak_bytes"]
        # Keras brings its backend; the runtimes of files do not.
        assert (
            found["tflite"]["peak_bytes"] < 0.5 * found["keras"]["peak_bytes"]
        )


def test_a_file_that_does_not_load_says_why(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match="process of its own.*Protobuf"):
        probe_file(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    "baseline, peak, memory",
    [(100, 700, 600), (700, 100, 0), (None, 700, None), (100, None, None)],
)
def test_memory_is_the_peak_less_the_bare_runtime(
    monkeypatch, baseline, peak, memory
):
    figures = {
        "load_ms": 1.0,
        "first_ms": 2.0,
        "baseline_bytes": baseline,
        "peak_bytes": peak,
    }
    asked = []

    def run(command, **options):
        asked.append((command[2:], options["timeout"]))
        # A runtime may say something of its own first.
        output = f"hello\n{json.dumps(figures)}\n"
        return SimpleNamespace(returncode=0, stdout=output)

    monkeypatch.setattr("subprocess.run", run)
    assert probe_file("a.tflite", threads=3) == {
        "load_ms": 1.0,
        "first_ms": 2.0,
        "peak_bytes": peak,
        "memory_bytes": memory,
    }
    run_probe("b.tflite", timeout=7)
    assert asked == [(["a.tflite", "3"], None), (["b.tflite", "1"], 7)]


@pytest.mark.parametrize("code", [1, -6])
@pytest.mark.parametrize(
    "said, reason",
    [("", "no reason"), ("first\nlast\n", "last"), ("x" * 501, "x" * 500)],
)
def test_the_reason_is_the_last_that_was_said(monkeypatch, code, said, reason):
    finished = SimpleNamespace(returncode=code, stderr=said)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: finished)
    with pytest.raises(RuntimeError, match=f"own: {reason}\\. Received: path="):
        probe_file("a.tflite")
