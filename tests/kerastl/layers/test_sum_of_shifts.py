import keras
import numpy as np
import pytest

from kerastl.layers.sum_of_shifts import ShiftedDepthwiseConv2D


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, (5, 3)])
@pytest.mark.parametrize("size", [(9, 8), (6, 11)])
def test_same_numbers_as_keras(padding, strides, kernel_size, size):
    arguments = dict(
        kernel_size=kernel_size,
        strides=strides,
        padding=padding,
        bias_initializer="ones",
        activation="relu",
    )
    images = np.random.default_rng(0).normal(size=(2, *size, 3))
    keras_layer = keras.layers.DepthwiseConv2D(**arguments)
    layer = ShiftedDepthwiseConv2D(**arguments)
    expected = keras_layer(images)
    layer.build(images.shape)
    layer.set_weights(keras_layer.get_weights())
    for shifts in (False, True):
        layer.shifts = shifts
        np.testing.assert_allclose(layer(images), expected, atol=1e-5)


@pytest.mark.parametrize(
    "arguments", [{"depth_multiplier": 2}, {"dilation_rate": 2}]
)
def test_what_is_left_to_keras(arguments):
    images = np.random.default_rng(0).normal(size=(2, 9, 8, 3))
    layer = ShiftedDepthwiseConv2D(3, **arguments)
    before = layer(images)
    layer.shifts = True
    np.testing.assert_array_equal(layer(images), before)
