"""StochNorm against the formula in NumPy, channel by channel."""

import keras
import numpy as np
import pytest
from keras import ops

from kerastl.layers import StochNorm


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(2, 3, (4, 5, 6, 16)).astype("f4")


@pytest.fixture
def make_layer(x):
    def make(**kwargs):
        layer = StochNorm(momentum=0.9, **kwargs)
        layer.build(x.shape)
        rng = np.random.default_rng(1)
        layer.set_weights(rng.uniform(0.5, 1.5, (4, 16)))
        return layer

    return make


def both_maps(layer, x):
    """The map normalized by the moving and the one by the batch statistics."""
    gamma, beta, mean, variance = layer.get_weights()
    batch = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return [
        gamma * (x - m) / np.sqrt(v + layer.epsilon) + beta
        for m, v in ((mean, variance), batch)
    ]


def test_each_channel_has_one_of_the_two_statistics(make_layer, x):
    layer = make_layer(p=0.5, seed=3)
    chosen = []
    for _ in range(8):
        by_moving, by_batch = both_maps(layer, x)
        y = ops.convert_to_numpy(layer(x, training=True))
        is_batch = np.isclose(y, by_batch, atol=1e-4).all((0, 1, 2))
        is_moving = np.isclose(y, by_moving, atol=1e-4).all((0, 1, 2))
        assert (is_batch != is_moving).all()
        chosen.append(is_batch)
    assert 0.3 < np.mean(chosen) < 0.7
    assert len({tuple(choice) for choice in chosen}) == 8


@pytest.mark.parametrize("p", [0, 1])
def test_the_ends_are_inference_and_batch_normalization(make_layer, x, p):
    layer = make_layer(p=p)
    expected = both_maps(layer, x)[p]
    before = layer.get_weights()
    y = layer(x, training=True)
    np.testing.assert_allclose(y, expected, atol=1e-4)
    # One update a step, by all channels, whatever was drawn.
    mean, variance = layer.get_weights()[2:]
    np.testing.assert_allclose(
        mean, 0.9 * before[2] + 0.1 * x.mean((0, 1, 2)), rtol=1e-4
    )
    np.testing.assert_allclose(
        variance, 0.9 * before[3] + 0.1 * x.var((0, 1, 2)), rtol=1e-4
    )


def test_inference_and_a_frozen_layer_use_the_moving_statistics(make_layer, x):
    layer = make_layer(p=1)
    expected = both_maps(layer, x)[0]
    np.testing.assert_allclose(layer(x), expected, atol=1e-4)
    layer.trainable = False
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-4)


def test_channels_first(make_layer, x):
    first = StochNorm(0.5, seed=9, axis=1)
    last = make_layer(p=0.5, seed=9)
    moved = np.moveaxis(x, -1, 1)
    first.build(moved.shape)
    first.set_weights(last.get_weights())
    y = ops.convert_to_numpy(first(moved, training=True))
    np.testing.assert_allclose(
        np.moveaxis(y, 1, -1), last(x, training=True), atol=1e-4
    )


def test_fold_gives_the_plain_layer(make_layer, x):
    layer = make_layer(p=0.5)
    plain = layer.fold()
    assert type(plain) is keras.layers.BatchNormalization
    assert plain.name == layer.name and plain.momentum == 0.9
    np.testing.assert_allclose(plain(x), layer(x), atol=1e-6)


def test_bad_arguments():
    with pytest.raises(ValueError, match="between 0 and 1.*p=1.5"):
        StochNorm(1.5)
    with pytest.raises(ValueError, match="renorm=True"):
        StochNorm(renorm=True)
