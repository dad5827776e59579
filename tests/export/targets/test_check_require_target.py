import pytest

from kerastl.export.targets.check import require_target
from kerastl.export.targets.check_report import TargetError

pytestmark = pytest.mark.tensorflow_only


def test_a_file_that_passes_gives_its_report(files):
    assert require_target(files["int8"], "tflite-micro").passed


def test_a_file_that_fails_raises_with_the_reason(files):
    with pytest.raises(TargetError, match="DEQUANTIZE in float16") as caught:
        require_target(files["float16"], "tflite-micro")
    assert caught.value.report.target == "tflite-micro"
    assert "target='tflite-micro'" in str(caught.value)
