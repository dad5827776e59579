"""The Gaussian against loops in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from kerastl.layers import GaussianSmoothing2D
from kerastl.layers.sum_of_shifts import summing_shifts


def smooth(x, sigma):
    i, j = np.mgrid[-1:2, -1:2]
    kernel = np.exp(-(i**2 + j**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    height, width = x.shape[1:3]
    return sum(
        kernel[a, b] * padded[:, a : a + height, b : b + width]
        for a in range(3)
        for b in range(3)
    )


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("f4")


@pytest.mark.parametrize(
    ("sigma", "centre", "side"), [(1, 0.452, 0.274), (0.5, 0.787, 0.107)]
)
def test_published_taps(sigma, centre, side):
    pulse = np.zeros((1, 3, 3, 1), "f4")
    pulse[0, 1, 1] = 1
    y = ops.convert_to_numpy(GaussianSmoothing2D(sigma)(pulse))[0, :, :, 0]
    taps = np.array([side, centre, side])
    np.testing.assert_allclose(y, np.outer(taps, taps), atol=1e-3)
    np.testing.assert_allclose(y.sum(), 1, rtol=1e-6)


@pytest.mark.parametrize("sigma", [2.0, 1.0, 0.5])
def test_values_and_the_fold(x, sigma):
    layer = GaussianSmoothing2D(1.0, name="smooth")
    layer(x)
    layer.sigma.assign(sigma)
    expected = smooth(x, sigma)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    with summing_shifts([layer]):
        np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    first = GaussianSmoothing2D(sigma, data_format="channels_first")
    if keras.backend.backend() == "jax":
        y = ops.convert_to_numpy(first(np.moveaxis(x, -1, 1)))
        np.testing.assert_allclose(np.moveaxis(y, 1, -1), expected, atol=1e-5)
    plain = layer.fold()
    assert type(plain) is keras.layers.DepthwiseConv2D
    assert plain.name == "smooth"
    np.testing.assert_allclose(plain(x), expected, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.2, 0.015, 1e-30])
def test_a_small_sigma_is_the_identity(x, sigma):
    layer = GaussianSmoothing2D(sigma)
    np.testing.assert_allclose(layer(x), x, atol=1e-4)
    assert layer.fold() is None


def test_config_keeps_the_start():
    layer = GaussianSmoothing2D(0.7)
    layer.sigma.assign(0.1)
    clone = GaussianSmoothing2D.from_config(layer.get_config())
    assert float(clone.sigma) == pytest.approx(0.7)
    with pytest.raises(ValueError, match="sigma=0"):
        GaussianSmoothing2D(0)
