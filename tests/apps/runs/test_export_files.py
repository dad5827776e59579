import pytest

from kerastl.apps.runs.export_files import check_exports


def test_reads_formats_and_schemes():
    assert check_exports(["tflite:int16x8", " onnx:float32", "int8"]) == [
        ("tflite", "int16x8"),
        ("onnx", "float32"),
        ("tflite", "int8"),
    ]


@pytest.mark.parametrize(
    ("text", "near"),
    [("tflit:int8", "tflite"), ("onnx:in8", "int8"), ("dynmic", "dynamic")],
)
def test_unknown_names_come_with_the_nearest(text, near):
    with pytest.raises(ValueError, match=f"Did you mean '{near}'"):
        check_exports([text])


@pytest.mark.parametrize("text", ["onnx", " tflite"])
def test_a_format_alone_is_told_its_schemes(text):
    with pytest.raises(ValueError, match=f"{text.strip()}:int8.*Received: exp"):
        check_exports([text])


@pytest.mark.parametrize("text", ["tflite:", ":int8", ":", "onnx::int8"])
def test_a_half_of_a_name_is_refused(text):
    with pytest.raises(ValueError, match="^`exports` (has|names) nothing"):
        check_exports([text])
