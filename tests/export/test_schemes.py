import pytest

from kerastl.export.schemes import SCHEMES
from kerastl.export.schemes import get_scheme


def test_every_scheme_is_described_in_one_line():
    for table in SCHEMES.values():
        for name, scheme in table.items():
            assert scheme.name == name
            assert scheme.summary.endswith(".")
            assert "\n" not in scheme.summary


def test_only_static_integer_schemes_need_calibration():
    needing = {
        s.name for s in SCHEMES["tflite"].values() if s.needs_calibration
    }
    assert needing == {"int8", "uint8_io", "int8_per_tensor", "int16x8"}


def test_what_trains_with_rounding_is_written_as_it_rounds():
    rounding = {
        (format, scheme.name)
        for format, table in SCHEMES.items()
        for scheme in table.values()
        if scheme.rounds_as_trained
    }
    assert rounding == {
        ("tflite", "int8"),
        ("tflite", "uint8_io"),
        ("onnx", "int8"),
    }
    assert [s.needs_calibration for s in SCHEMES["onnx"].values()] == [
        False,
        True,
    ]


def test_unknown_scheme_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'float16'") as error:
        get_scheme("flaot16", "tflite")
    assert "Received: tflite scheme='flaot16'" in str(error.value)


def test_a_scheme_of_the_other_format_is_refused():
    with pytest.raises(ValueError, match="There is no onnx scheme"):
        get_scheme("int16x8", "onnx")
