import pytest

from kerastl.apps.runs.check_outputs import check_outputs


def test_what_fits_becomes_pairs():
    pairs = [("onnx", "int8"), ("tflite", "float32")]
    exports = ["onnx:int8", "float32"]
    assert check_outputs(exports) == pairs
    assert check_outputs(exports, qat=3, target="tflite-micro") == pairs


@pytest.mark.parametrize(
    ("exports", "options", "message"),
    [
        (["int8"], {"qat": 0}, "larger than 0.*qat=0"),
        (["int8"], {"qat": -2}, "larger than 0.*qat=-2"),
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
