"""Blurs that are equal, whose kernels a converter merges into one tensor."""

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from keras import layers

import kerastl
from kerastl import export

pytestmark = pytest.mark.tensorflow_only


def gains(path):
    """The sum of every depthwise kernel of a file, by operator."""
    model = schema.Model.GetRootAs(bytearray(path.read_bytes()))
    graph = model.Subgraphs(0)
    found = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        if code != schema.BuiltinOperator.DEPTHWISE_CONV_2D:
            continue
        kernel = graph.Tensors(operator.Inputs(1))
        levels = model.Buffers(kernel.Buffer()).DataAsNumpy().view("int8")
        levels = levels.reshape(kernel.ShapeAsNumpy()).astype("float64")
        scales = kernel.Quantization().ScaleAsNumpy()
        found.append(levels.sum((0, 1, 2)) * scales)
    return found


@pytest.mark.parametrize("taps", [3, 4, 5])
@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_each_has_a_gain_of_one(taps, scheme, tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((64, 64, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    for _ in range(3):
        x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = kerastl.antialias(
        keras.Model(inputs, layers.Dense(5, "softmax")(x)), kernel_size=taps
    )
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3))
    images = images.repeat(8, 1).repeat(8, 2).astype("float32")
    report = export.to_tflite(
        model,
        tmp_path / "model.tflite",
        scheme=scheme,
        calibration=images,
        evaluation=images,
        refine="none",
    )
    found = gains(tmp_path / "model.tflite")
    assert len(found) == 3
    np.testing.assert_allclose(found, 1.0, atol=1e-5)
    assert report.mean_abs_difference < 0.002
