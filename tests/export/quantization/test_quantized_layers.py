"""The four layers with int8 kernels against sums made by hand."""

import keras
import numpy as np
import pytest

from kerastl.export.quantization.quantized_layers import QuantizedConv2D
from kerastl.export.quantization.quantized_layers import QuantizedDense
from kerastl.export.quantization.quantized_layers import (
    QuantizedDepthwiseConv2D,
)
from kerastl.export.quantization.quantized_layers import (
    QuantizedSeparableConv2D,
)

pytestmark = pytest.mark.tensorflow_only

# A level of the first column is 0.1, of the second 10, of the whole 10.
KERNEL = np.array([[12.7, 1270.0], [-0.14, 14.9], [0.26, -38.0]], "float32")
INPUTS = np.array([1.0, 10.0, 100.0], "float32")
BIAS = np.array([0.5, -2.0], "float32")
# 12.7 - 10 * 0.1 + 100 * 0.3, and 1270 + 10 * 10 - 100 * 40.
PER_CHANNEL = np.array([41.7, -2630.0])
PER_TENSOR = np.array([10.0, -2630.0])

ACROSS = (1, 1, 3), (1, 1, 3, 2)
DOWN = (3, 1, 1), (3, 1, 2, 1)


def make(name, **options):
    """The layer, the shape of its images, and its kernels."""
    if name == "conv":
        return QuantizedConv2D(2, 1, **options), *ACROSS
    if name == "dense":
        return QuantizedDense(2, **options), (3,), (3, 2)
    if name == "depthwise":
        return QuantizedDepthwiseConv2D((3, 1), **options), *DOWN
    return QuantizedSeparableConv2D(2, (3, 1), **options), *DOWN


@pytest.mark.parametrize("name", ["conv", "dense", "depthwise", "separable"])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_the_kernel_is_rounded_and_the_bias_is_not(
    name, use_bias, per_channel, activation
):
    layer, images, kernel = make(
        name, use_bias=use_bias, per_channel=per_channel, activation=activation
    )
    x = INPUTS.reshape(1, *images)
    if kernel[2:3] == (2,):
        x = np.repeat(x, 2, axis=-1)
    layer.build(x.shape)
    variables = [KERNEL.reshape(kernel)]
    if name == "separable":
        variables.append(np.eye(2).reshape(1, 1, 2, 2))
    variables += [BIAS] * use_bias
    for variable, value in zip(
        layer.trainable_variables, variables, strict=True
    ):
        variable.assign(value)
    expected = PER_CHANNEL
    # A dense layer of a TFLite file has one scale.
    if name == "dense" or not per_channel:
        expected = PER_TENSOR
    if use_bias:
        expected = expected + BIAS
    if activation:
        expected = np.maximum(expected, 0)
    outputs = keras.ops.convert_to_numpy(layer(x)).ravel()
    np.testing.assert_allclose(outputs, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["conv", "dense", "depthwise", "separable"])
def test_files_hold_the_layer_by_its_name(name):
    layer, *_ = make(name, per_channel=False, activation="silu")
    text = keras.saving.serialize_keras_object(layer)
    assert text["registered_name"] == f"kerastl>{type(layer).__name__}"
    again = keras.saving.deserialize_keras_object(text)
    assert type(again) is type(layer)
    assert again.per_channel is False
    assert again.quantized_activation.activation == "silu"
