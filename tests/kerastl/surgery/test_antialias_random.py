"""antialias on random CNNs: one tap computes what the original computes."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from keras import layers

import kerastl

pytestmark = pytest.mark.slow

PADDING = st.sampled_from(["valid", "same"])
STRIDES = st.sampled_from([1, 2, 2, 3])
ACTIVATION = st.sampled_from([None, "relu", "swish", "linear"])


def convolution(draw):
    kind = draw(st.sampled_from(["conv", "depthwise", "separable"]))
    arguments = {
        "kernel_size": draw(st.sampled_from([1, 2, 3, (3, 1), 5])),
        "strides": draw(STRIDES),
        "padding": draw(PADDING),
        "activation": draw(ACTIVATION),
        "bias_initializer": "normal",
    }
    if kind == "depthwise":
        return layers.DepthwiseConv2D(**arguments)
    if kind == "separable":
        return layers.SeparableConv2D(filters=2, **arguments)
    return layers.Conv2D(filters=draw(st.sampled_from([2, 4])), **arguments)


def pooling(draw):
    kind = draw(st.sampled_from([layers.MaxPooling2D, layers.AveragePooling2D]))
    return kind(
        pool_size=draw(st.sampled_from([1, 2, 3, (2, 1)])),
        strides=draw(STRIDES),
        padding=draw(PADDING),
    )


def pixelwise(draw):
    return draw(
        st.sampled_from(
            [
                layers.BatchNormalization,
                layers.ReLU,
                layers.LeakyReLU,
                layers.PReLU,
                lambda: layers.PReLU(shared_axes=[1, 2]),
                lambda: layers.Activation("gelu"),
                lambda: layers.Dropout(0.2),
                lambda: layers.ZeroPadding2D(((0, 1), (1, 0))),
                lambda: keras.ops.relu,
                lambda: lambda x: x * 2.0 - 0.5,
            ]
        )
    )()


def small(x):
    return min(x.shape[1:3]) < 5


def stack(draw, x, depth):
    """Puts random layers on a feature map as long as it is large enough."""
    for _ in range(draw(st.integers(1, 5))):
        if small(x):
            break
        kinds = ["convolution", "pooling", "pixelwise", "pixelwise"]
        if depth:
            kinds += ["nested", "branch"]
        kind = draw(st.sampled_from(kinds))
        if kind == "nested":
            inputs = keras.Input(x.shape[1:])
            x = keras.Model(inputs, stack(draw, inputs, depth - 1))(x)
        elif kind == "branch":
            x = branch(draw, x)
        else:
            layer = {
                "convolution": convolution,
                "pooling": pooling,
                "pixelwise": pixelwise,
            }[kind](draw)
            x = layer(x)
    return x


def branch(draw, x):
    """Two ways down to the same size, merged."""
    strides, padding = draw(STRIDES), draw(PADDING)
    kernel = draw(st.sampled_from([1, 3]))
    arguments = {"strides": strides, "padding": padding}
    one = layers.Conv2D(3, kernel, activation=draw(ACTIVATION), **arguments)(x)
    two = layers.MaxPooling2D(kernel, **arguments)(x)
    if draw(st.booleans()):
        two = layers.ReLU()(two)
    return layers.Concatenate()([one, two])


def network(draw):
    size = draw(st.integers(9, 24)), draw(st.integers(9, 24))
    inputs = keras.Input((*size, 3))
    x = stack(draw, inputs, depth=2)
    # At least one layer to rewrite.
    x = layers.Conv2D(2, 1, strides=2, activation=draw(ACTIVATION))(x)
    return keras.Model(inputs, x)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(st.data(), st.sampled_from([2, 3, 5, 7]))
def test_one_tap_is_the_original_and_more_keep_the_sizes(
    randomise, data, kernel_size
):
    model = randomise(network(data.draw))
    x = np.random.default_rng(0).normal(size=(1, *model.input_shape[1:]))
    x = x.astype("float32")
    expected = keras.ops.convert_to_numpy(model(x))
    exact = kerastl.antialias(model, kernel_size=1)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(exact(x)), expected, rtol=1e-4, atol=1e-5
    )
    blurred = kerastl.antialias(model, kernel_size, padding="edge")
    assert blurred(x).shape == expected.shape == (1, *blurred.output_shape[1:])
    report = kerastl.inspect_antialias(model, kernel_size, padding="edge")
    cost = kerastl.count_multiply_adds(blurred)
    assert cost == report.multiply_adds_after
