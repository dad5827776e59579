import keras
import numpy as np
import pytest
from keras import layers

from kerastl.callbacks.fan_in_draw import fan_in_draw

# What one output is made of, by the weight's name.
CASES = {
    "dense": (layers.Dense(30), (7,), {"kernel": 7, "bias": 7}),
    "convolution": (
        layers.Conv2D(12, (3, 2)),
        (8, 8, 5),
        {"kernel": 30, "bias": 30},
    ),
    "groups": (
        layers.Conv2D(12, 3, groups=2),
        (8, 8, 6),
        {"kernel": 27, "bias": 27},
    ),
    "depthwise": (
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        (8, 8, 16),
        {"kernel": 9, "bias": 9},
    ),
    "depthwise in one dimension": (
        layers.DepthwiseConv1D(5, depth_multiplier=2),
        (8, 6),
        {"kernel": 5, "bias": 5},
    ),
    "separable in one dimension": (
        layers.SeparableConv1D(20, 5),
        (8, 10),
        {"depthwise_kernel": 5, "pointwise_kernel": 10, "bias": 10},
    ),
    "separable": (
        layers.SeparableConv2D(20, 3),
        (8, 8, 10),
        {"depthwise_kernel": 9, "pointwise_kernel": 10, "bias": 10},
    ),
    "no bias": (layers.Dense(30, use_bias=False), (7,), {"kernel": 7}),
}


@pytest.mark.parametrize("name", CASES)
def test_bounds(name):
    layer, shape, inputs = CASES[name]
    layer = type(layer).from_config(layer.get_config())
    layer.build((None, *shape))
    before = layer.get_weights()
    draws = [fan_in_draw(layer, [3, seed]) for seed in range(30)]
    again = fan_in_draw(layer, [3, 0])
    for place, variable in enumerate(layer.weights):
        values = np.array([draw[place] for draw in draws])
        bound = 1 / np.sqrt(inputs[variable.name])
        assert values.shape[1:] == variable.shape
        assert 0.95 * bound < values.max() <= bound
        assert -bound <= values.min() < -0.95 * bound
        np.testing.assert_array_equal(again[place], values[0])
        np.testing.assert_array_equal(layer.get_weights()[place], before[place])


class Scaled(layers.Layer):
    """Its kernel is not the first of its weights, and has a name of its own."""

    def build(self, shape):
        self.scale = self.add_weight(name="scale", initializer="ones")
        self.inner = self.add_weight(name="a_kernel", shape=(shape[-1], 40))
        self.built = True


def test_a_kernel_behind_other_weights():
    layer = Scaled()
    layer.build((None, 16))
    scale, kernel = fan_in_draw(layer, 1)
    assert float(scale) == 1.0
    assert 0.95 / 4 < np.abs(kernel).max() <= 1 / 4


def test_what_has_no_kernel_starts_as_it_did():
    layer = layers.BatchNormalization()
    layer.build((None, 4))
    layer.set_weights([np.full(4, 3.0)] * 4)
    for drawn, expected in zip(
        fan_in_draw(layer, 1), (1, 0, 0, 1), strict=True
    ):
        np.testing.assert_array_equal(drawn, np.full(4, expected))
    assert isinstance(layer, keras.layers.Layer)
