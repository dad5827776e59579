"""What the converter is told, and what it says, without running it."""

import importlib

import numpy as np
import pytest

from kerastl.export.conversion.converters import SCHEMES
from kerastl.export.conversion.converters import get_scheme

pytestmark = pytest.mark.tensorflow_only

# By its name: what the package has under it is the function.
module = importlib.import_module("kerastl.export.to_tflite")
INT16 = "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"


@pytest.mark.parametrize("scheme", SCHEMES["tflite"])
@pytest.mark.parametrize("images", [None, np.zeros((3, 4, 4, 1), "float32")])
def test_what_the_converter_is_told(scheme, images):
    import tensorflow as tf

    ops = tf.lite.OpsSet
    row = get_scheme(scheme, "tflite")
    options = module._converter_options(row, images)
    calibrates = row.needs_calibration and images is not None
    operators = ops.TFLITE_BUILTINS
    if calibrates:
        operators = ops.TFLITE_BUILTINS_INT8
        if scheme == "int16x8":
            operators = getattr(ops, INT16)
    expected = {"target_spec": {"supported_ops": [operators]}}
    if scheme != "float32":
        expected["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        expected["target_spec"]["supported_types"] = [tf.float16]
    if row.needs_calibration:
        border = tf.uint8 if scheme == "uint8_io" else tf.int8
        if scheme == "int16x8" and calibrates:
            border = tf.int16
        expected["inference_input_type"] = border
        expected["inference_output_type"] = border
    if scheme == "int8_per_tensor" and calibrates:
        expected["_experimental_disable_per_channel"] = True
    dataset = options.pop("representative_dataset", None)
    assert options == expected
    assert (dataset is not None) == calibrates
    if calibrates:
        shapes = [[x.shape for x in batch] for batch in dataset()]
        assert shapes == [[(1, 4, 4, 1)]] * 3


@pytest.mark.parametrize(
    "text, notes, missing",
    [
        ("Flex ops: FlexB, FlexA\nmore", [], ["FlexA", "FlexB"]),
        ("", ["Custom ops: Mine"], ["Mine"]),
        ("Select ops: A, , A", ["Flex ops: B"], ["A", "B"]),
        ("'tf.Erfinv' op is neither a custom op", [], ["Erfinv"]),
        ("Quantization not yet supported for op: 'CUMSUM'", [], ["CUMSUM"]),
        ("not yet supported for op: ELU\n", [], ["ELU"]),
        ("out of memory", ["no more"], []),
    ],
)
def test_operators_are_read_in_what_a_converter_says(text, notes, missing):
    error = RuntimeError(text)
    for note in notes:
        error.add_note(note)
    assert module._missing_operators(error) == missing
