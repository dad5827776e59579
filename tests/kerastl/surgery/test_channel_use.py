import numpy as np
import pytest
from keras import layers

from kerastl.surgery.channel_use import ChannelUse


def _use(layer, inputs, mixes=True):
    outputs = layer.compute_output_shape((None, 4, 4, inputs))[-1]
    layer.build((None, 4, 4, inputs))
    return ChannelUse(
        layer,
        np.arange(inputs),
        np.arange(outputs),
        np.zeros(inputs, bool),
        mixes,
    )


@pytest.mark.parametrize("kind", ["conv", "separable"])
def test_a_filter_of_zeros_with_a_bias_is_not_zero(kind):
    layer = {"conv": layers.Conv2D, "separable": layers.SeparableConv2D}[kind]
    use = _use(layer(3, 3), 2)
    kernel = use.layer.weights[-2]
    values = np.ones(kernel.shape, "float32")
    values[..., :2] = 0
    kernel.assign(values)
    use.layer.bias.assign([0.0, 0.25, 0.0])
    found = use.zero_outputs(np.zeros(2, bool))
    assert found.tolist() == [True, False, False]


def test_a_depthwise_bias_counts():
    use = _use(layers.DepthwiseConv2D(3, depth_multiplier=2), 2, mixes=False)
    use.layer.kernel.assign(np.ones(use.layer.kernel.shape))
    use.layer.bias.assign([0.0, 0.5, 0.0, 0.0])
    found = use.zero_outputs(np.array([True, False]))
    assert found.tolist() == [True, False, False, False]


def test_a_normalization_shifts_what_is_zero():
    use = _use(layers.BatchNormalization(), 5, mixes=False)
    layer = use.layer
    layer.gamma.assign([1.0, 1.0, 0.0, 0.0, 1.0])
    layer.beta.assign([0.0, 0.0, 0.0, 0.1, 0.0])
    layer.moving_mean.assign([0.0, 0.5, 0.5, 0.0, 0.0])
    zeros = np.array([True, True, False, True, False])
    # Behind a mean, zero is no longer zero: -0.5 * gamma / deviation.
    found = use.zero_outputs(zeros)
    assert found.tolist() == [True, False, True, False, False]


def test_an_activation_that_is_not_zero_at_zero():
    use = _use(layers.Conv2D(2, 1, activation="sigmoid"), 1)
    use.layer.kernel.assign(np.zeros((1, 1, 1, 2)))
    assert not use.zero_outputs(np.zeros(1, bool)).any()


def test_cleared_channels_are_zero_with_all_that_makes_them():
    chosen = np.array([False, True, False])
    convolution = _use(layers.Conv2D(3, 3), 2)
    convolution.layer.bias.assign([1.0, 2.0, 3.0])
    kernel = np.array(convolution.layer.kernel)
    convolution.clear(chosen)
    assert np.array(convolution.layer.bias).tolist() == [1.0, 0.0, 3.0]
    kernel[..., 1] = 0
    np.testing.assert_array_equal(convolution.layer.kernel, kernel)

    normalization = _use(layers.BatchNormalization(), 3, mixes=False)
    for weight in normalization.layer.weights:
        weight.assign([1.0, 2.0, 3.0])
    normalization.clear(chosen)
    layer = normalization.layer
    for weight in (layer.gamma, layer.beta, layer.moving_mean):
        assert np.array(weight).tolist() == [1.0, 0.0, 3.0]
    # A variance of zero would blow the channel up.
    assert np.array(layer.moving_variance).tolist() == [1.0, 2.0, 3.0]
    # So the normalization of a zero is a zero.
    outputs = layer(np.zeros((1, 2, 2, 3), "float32"))
    assert not np.array(outputs)[..., 1].any()
