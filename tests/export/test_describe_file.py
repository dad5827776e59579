import pytest

import kerastl
from kerastl.export import to_onnx
from kerastl.export import to_tflite
from kerastl.export.describe_file import describe_file

pytestmark = pytest.mark.tensorflow_only


@pytest.mark.parametrize(
    "scheme", ["float32", "float16", "dynamic", "int8", "int16x8"]
)
def test_tflite_files(cnn, calibration, tmp_path, scheme):
    to_tflite(cnn, tmp_path / "a.tflite", scheme, calibration=calibration)
    assert describe_file(tmp_path / "a.tflite") == {
        "multiply_adds": kerastl.count_multiply_adds(cnn),
        "precision": scheme,
    }


@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_onnx_files(cnn, calibration, tmp_path, scheme):
    to_onnx(cnn, tmp_path / "a.onnx", scheme, calibration=calibration)
    assert describe_file(tmp_path / "a.onnx") == {
        "multiply_adds": kerastl.count_multiply_adds(cnn),
        "precision": scheme,
    }


def test_keras_files(cnn, tmp_path):
    cnn.save(tmp_path / "a.keras")
    assert describe_file(tmp_path / "a.keras") == {
        "multiply_adds": kerastl.count_multiply_adds(cnn),
        "precision": "float32",
    }
