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


SLIM = {
    "conv": (layers.Conv2D(4, 3), True),
    "convolution without bias": (layers.Conv2D(4, 3, use_bias=False), True),
    "separable": (layers.SeparableConv2D(4, 3, depth_multiplier=2), True),
    "depthwise": (layers.DepthwiseConv2D(3), False),
    "normalization": (layers.BatchNormalization(), False),
}


@pytest.mark.parametrize("kind", SLIM)
def test_a_slim_layer_computes_what_is_left(kind):
    layer, mixes = SLIM[kind]
    use = _use(type(layer).from_config(layer.get_config()), 5, mixes)
    generator = np.random.default_rng(0)
    for weight in use.layer.weights:
        weight.assign(generator.uniform(0.5, 2, weight.shape))
    inputs = np.array([True, False, True, True, False])
    outputs = np.array([False, True, True, False]) if mixes else inputs
    slim, values = use.slim_layer(inputs, outputs)
    images = generator.normal(size=(2, 4, 4, 5)).astype("float32")
    images[..., ~inputs] = 0
    slim.build((None, 4, 4, 3))
    slim.set_weights(values)
    np.testing.assert_allclose(
        np.array(slim(images[..., inputs])),
        np.array(use.layer(images))[..., outputs],
        rtol=1e-5,
        atol=1e-5,
    )


def test_an_input_whose_filter_is_zero_is_not_read():
    every = np.array([True, True])
    separable = _use(layers.SeparableConv2D(2, 3, depth_multiplier=2), 3)
    for weight in separable.layer.weights:
        weight.assign(np.ones(weight.shape))
    depthwise = np.ones((3, 3, 3, 2), "float32")
    depthwise[:, :, 1] = 0
    separable.layer.depthwise_kernel.assign(depthwise)
    # What the second output makes of the last input is zero.
    pointwise = np.ones((1, 1, 6, 2), "float32")
    pointwise[:, :, 4:, 1] = 0
    separable.layer.pointwise_kernel.assign(pointwise)
    assert separable.reads(every).tolist() == [True, False, True]
    second = np.array([False, True])
    assert separable.reads(second).tolist() == [True, False, False]

    convolution = _use(layers.Conv2D(2, 3), 3)
    kernel = np.ones((3, 3, 3, 2), "float32")
    kernel[:, :, 0] = 0
    convolution.layer.kernel.assign(kernel)
    convolution.zeros[2] = True
    assert convolution.reads(every).tolist() == [False, True, False]
    np.testing.assert_allclose(convolution.filter_norms(), np.sqrt([18, 18]))


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
