from types import SimpleNamespace

import pytest

from kerastl.export import AccuracyDropError


@pytest.mark.parametrize(
    ("scheme", "num_calibration", "helps", "helps_not"),
    [
        ("int8", 200, "Calibrate with more images", "for more epochs"),
        ("int8", 200, "keep the worst layers in float", "for more epochs"),
        ("int16x8", 200, "Calibrate with more images", "worst layers"),
        ("int8", 0, "Train the quantization-aware network", "alibrate"),
        ("dynamic", 0, "Try a scheme that keeps more bits", "rain"),
    ],
)
def test_says_what_helps(scheme, num_calibration, helps, helps_not):
    report = SimpleNamespace(
        format="tflite",
        scheme=scheme,
        num_calibration=num_calibration,
        num_images=50,
        keras_accuracy=0.9,
        accuracy=0.86,
        accuracy_drop=0.04,
    )
    error = AccuracyDropError(report, 0.01)
    said = str(error)
    assert "loses 4.00 points of accuracy (90.00 % -> 86.00 % on 50" in said
    assert "more than the allowed 1.00. No file was written. " in said
    assert helps in said
    assert helps_not not in said
    assert said.endswith("or allow more. Received: max_accuracy_drop=0.01")
    assert error.report is report
    assert error.max_accuracy_drop == 0.01
