import keras
import pytest

from kerastl.apps.runs.check_outputs import check_outputs


def test_what_fits_becomes_pairs():
    pairs = [("onnx", "int8"), ("tflite", "float32")]
    exports = ["onnx:int8", "float32"]
    assert check_outputs(exports) == pairs
    assert check_outputs(exports, target="tflite-micro") == pairs


def test_a_page_adds_the_file_that_it_runs():
    assert check_outputs(["onnx:int8"], page=True) == [("onnx", "int8")]
    pairs = [("tflite", "int8"), ("onnx", "float32")]
    assert check_outputs(["int8"], page=True) == pairs


@pytest.mark.tensorflow_only
def test_rounding_can_be_trained_on_tensorflow():
    assert check_outputs(["int8"], qat=3) == [("tflite", "int8")]
    assert check_outputs(["uint8_io"], qat=3) == [("tflite", "uint8_io")]


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="TensorFlow can train it"
)
def test_rounding_on_another_backend_is_refused_with_a_way_out():
    with pytest.raises(ValueError, match="--resume.*qat=3, backend='jax'"):
        check_outputs(["int8"], qat=3)


@pytest.mark.parametrize(
    ("exports", "options", "message"),
    [
        (["int8"], {"qat": 0}, "at least 1.*qat=0"),
        (["int8"], {"qat": -2}, "at least 1.*qat=-2"),
        (["int8"], {"qat": 1.5}, "an integer.*qat=1.5"),
        (["dynamic", "onnx:float32"], {"qat": 2}, "--export.*'dynamic'"),
        ([], {"qat": 2}, r"for the int8 files.*exports=\[\]"),
        (["int8"], {"target": "tflite-mirco"}, "Did you mean 'tflite-micro'"),
        (["onnx:int8"], {"target": "xnnpack"}, "run TFLite files.*'onnx:int8'"),
        (["int7"], {"qat": 2}, "Did you mean 'int8'"),
    ],
)
def test_what_does_not_fit_is_named(exports, options, message):
    with pytest.raises(ValueError, match=message):
        check_outputs(exports, **options)
