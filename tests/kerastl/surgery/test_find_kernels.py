import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.surgery.find_kernels import find_kernels


def _model():
    """A layer of every kind, each shape with four input channels alone."""
    row = keras.Input((6, 4))
    x = layers.Conv1D(3, 2, name="conv_1d")(row)
    x = layers.Conv1DTranspose(4, 2, name="up_1d")(x)
    x = layers.SeparableConv1D(5, 2, name="separable_1d")(x)
    x = layers.DepthwiseConv1D(2, name="depthwise_1d")(x)
    x = layers.GlobalMaxPooling1D()(x)
    image = keras.Input((6, 6, 4))
    y = layers.Conv2D(3, 2, name="conv_2d")(image)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.Conv2DTranspose(4, 2, name="up_2d")(y)
    y = layers.SeparableConv2D(5, 2, name="separable_2d")(y)
    y = layers.DepthwiseConv2D(2, name="depthwise_2d")(y)
    y = layers.GlobalMaxPooling2D()(y)
    box = keras.Input((4, 4, 4, 4))
    z = layers.Conv3D(3, 2, name="conv_3d")(box)
    z = layers.Conv3DTranspose(4, 2, name="up_3d")(z)
    z = layers.GlobalMaxPooling3D()(z)
    both = layers.Concatenate()([x, y, z])
    return keras.Model([row, image, box], layers.Dense(2, name="head")(both))


# Shape of the kernel, and the axis of the channels that are summed over.
KERNELS = {
    "conv_1d": [((2, 4, 3), 1)],
    "up_1d": [((2, 4, 3), 2)],
    "separable_1d": [((1, 4, 5), 1)],
    "conv_2d": [((2, 2, 4, 3), 2)],
    "up_2d": [((2, 2, 4, 3), 3)],
    "separable_2d": [((1, 1, 4, 5), 2)],
    "conv_3d": [((2, 2, 2, 4, 3), 3)],
    "up_3d": [((2, 2, 2, 4, 3), 4)],
    "head": [((14, 2), 0)],
}
DEPTHWISE = {
    "separable_1d": [((2, 4, 1), None), ((1, 4, 5), 1)],
    "separable_2d": [((2, 2, 4, 1), None), ((1, 1, 4, 5), 2)],
    "depthwise_1d": [((2, 5, 1), None)],
    "depthwise_2d": [((2, 2, 5, 1), None)],
}


def _found(kernels):
    found = {}
    for each in kernels:
        axis, shape = each.input_axis, each.numpy().shape
        if axis is not None:
            axis %= len(shape)
        found.setdefault(each.layer.name, []).append((shape, axis))
    return found


@pytest.mark.parametrize("depthwise", [False, True])
def test_the_kernels_and_their_input_channels(depthwise):
    found = _found(find_kernels(_model(), depthwise=depthwise))
    assert found == KERNELS | (DEPTHWISE if depthwise else {})


def test_depthwise_kernels_that_are_named_are_taken():
    names = ["depthwise_2d", "conv_2d"]
    assert _found(find_kernels(_model(), names)) == {
        "conv_2d": KERNELS["conv_2d"],
        "depthwise_2d": DEPTHWISE["depthwise_2d"],
    }
    assert _found(find_kernels(_model(), "depthwise_1d")) == {
        "depthwise_1d": DEPTHWISE["depthwise_1d"]
    }


def test_a_layer_that_is_called_twice_has_one_kernel():
    inputs = keras.Input((4,))
    dense = layers.Dense(4, name="dense")
    inner = keras.Model(inputs, dense(dense(inputs)), name="inner")
    outer = keras.Sequential([keras.Input((4,)), inner, layers.ReLU(), dense])
    [kernel] = find_kernels(outer)
    assert kernel.layer is dense and kernel.variable is dense.kernel
    np.testing.assert_array_equal(kernel.numpy(), dense.get_weights()[0])


def test_a_kernel_is_what_it_was_found_as():
    kernel = find_kernels(_model())[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        kernel.input_axis = 0


class _Lazy(keras.layers.Layer):
    """Holds a layer that it has not called yet."""

    def __init__(self):
        super().__init__()
        self.later = layers.Dense(2, name="later")

    def build(self, shape):
        self.built = True

    def call(self, inputs):
        return inputs


def test_what_has_no_kernels():
    empty = keras.Sequential(
        [keras.Input((4, 4, 3)), layers.DepthwiseConv2D(2), _Lazy()],
        name="empty",
    )
    with pytest.raises(ValueError, match="no kernels.* model='empty'"):
        find_kernels(empty)
    with pytest.raises(ValueError, match=r"Did you mean 'conv_1d'.*\['conv_1'"):
        find_kernels(_model(), ["conv_1"])
    with pytest.raises(ValueError, match="No layer with a kernel"):
        find_kernels(_model(), ["conv_2d", "norm"])
