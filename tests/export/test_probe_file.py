import sys

import pytest

from kerastl.export import to_onnx
from kerastl.export import to_tflite
from kerastl.export.probe_file import probe_file

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
