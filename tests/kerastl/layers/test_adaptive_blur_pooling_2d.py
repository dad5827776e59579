"""The content-adaptive blur against loops, and against the fixed one."""

import numpy as np
import pytest
from keras import ops

from kerastl.layers import AdaptiveBlurPooling2D
from kerastl.layers import BlurPooling2D


def make_x(channels=8, height=9, width=8, seed=0):
    shape = (2, height, width, channels)
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def randomise(layer):
    rng = np.random.default_rng(4)
    values = [rng.uniform(0.5, 1.5, weight.shape) for weight in layer.weights]
    values[0] = rng.normal(0, 0.2, values[0].shape)
    layer.set_weights(values)


def adaptive_blur(layer, x, softmax):
    """The formula, pixel by pixel and group by group."""
    kernel, gamma, beta, mean, variance = layer.get_weights()
    (rows, columns), groups = layer.kernel_size, layer.groups
    before = (rows - 1) // 2, (columns - 1) // 2
    border = [(0, 0), (before[0],) * 2, (before[1],) * 2, (0, 0)]
    padded = np.pad(x, border, mode="reflect")
    size = x.shape[-1] // groups
    y = np.zeros((len(x), -(-x.shape[1] // 2), -(-x.shape[2] // 2), x.shape[3]))
    for image, i, j in np.ndindex(*y.shape[:3]):
        window = padded[image, 2 * i : 2 * i + rows, 2 * j : 2 * j + columns]
        logits = np.einsum("abc,abcf->f", window, kernel)
        logits = gamma * (logits - mean) / np.sqrt(variance + 1e-3) + beta
        logits = logits.reshape(groups, rows, columns)
        weights = np.exp(logits)
        axes = (1, 2) if softmax == "group" else (0, 1, 2)
        weights /= weights.sum(axes, keepdims=True)
        for group in range(groups):
            part = slice(group * size, (group + 1) * size)
            y[image, i, j, part] = np.einsum(
                "ab,abc->c", weights[group], window[..., part]
            )
    return y


@pytest.mark.parametrize("softmax", ["group", "all"])
@pytest.mark.parametrize("kernel_size", [3, (5, 3)])
def test_values(kernel_size, softmax):
    layer = AdaptiveBlurPooling2D(kernel_size, groups=2, softmax=softmax)
    x = make_x(channels=6)
    layer(x)
    randomise(layer)
    np.testing.assert_allclose(
        layer(x), adaptive_blur(layer, x, softmax), atol=1e-4
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"kernel_size": 5, "padding": "zeros"},
        {"kernel_size": 4, "padding": "edge"},
        {"strides": (2, 3), "window_size": 3, "window_padding": "same"},
        {"kernel_size": (1, 3), "strides": 1},
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_it_starts_as_the_fixed_blur(arguments, training):
    x = make_x()
    blur = BlurPooling2D(**arguments)
    layer = AdaptiveBlurPooling2D(**arguments, groups=4)
    np.testing.assert_allclose(layer(x, training=training), blur(x), atol=1e-5)
    everywhere = AdaptiveBlurPooling2D(**arguments, groups=4, softmax="all")
    np.testing.assert_allclose(
        4 * ops.convert_to_numpy(everywhere(x, training=training)),
        blur(x),
        atol=1e-5,
    )


def test_equal_logits_are_a_box_filter():
    x = make_x()
    layer = AdaptiveBlurPooling2D(3, groups=2)
    layer(x)
    layer.normalization.beta.assign(np.zeros(18))
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")
    box = sum(
        padded[:, i : i + 9 : 2, j : j + 8 : 2]
        for i in range(3)
        for j in range(3)
    )
    np.testing.assert_allclose(layer(x), box / 9, atol=1e-5)


def test_a_constant_map_stays_one_whatever_was_learned():
    x = np.full((1, 6, 6, 4), 2.5, "f4")
    layer = AdaptiveBlurPooling2D(3, groups=4)
    layer(x)
    randomise(layer)
    np.testing.assert_allclose(layer(x), 2.5, rtol=1e-5)


def test_channels_first():
    x = make_x()
    last = AdaptiveBlurPooling2D(3, groups=2)
    last(x)
    randomise(last)
    first = AdaptiveBlurPooling2D(3, groups=2, data_format="channels_first")
    moved = np.moveaxis(x, -1, 1)
    first(moved)
    first.set_weights(last.get_weights())
    y = ops.convert_to_numpy(first(moved))
    np.testing.assert_allclose(np.moveaxis(y, 1, -1), last(x), atol=1e-5)


def test_bad_arguments():
    with pytest.raises(ValueError, match="groups=0"):
        AdaptiveBlurPooling2D(groups=0)
    with pytest.raises(ValueError, match="softmax='both'"):
        AdaptiveBlurPooling2D(softmax="both")
    with pytest.raises(ValueError, match="groups=3, channels=8"):
        AdaptiveBlurPooling2D(groups=3)(make_x())
