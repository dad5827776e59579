import keras
import numpy as np
import pytest
from keras import ops

from kerastl.layers import DropConnectDense


@pytest.fixture
def make_layer():
    def make(**kwargs):
        layer = DropConnectDense(3, seed=2, bias_initializer="normal", **kwargs)
        layer.build((None, 5))
        return layer

    return make


def test_every_image_loses_weights_of_its_own(make_layer):
    # An identity as the batch reads the masked kernel back, row by row.
    layer = make_layer(rate=0.4)
    kernel, bias = layer.get_weights()
    kept = []
    for _ in range(100):
        y = ops.convert_to_numpy(layer(np.eye(5), training=True)) - bias
        is_kept = np.isclose(y, kernel / 0.6, rtol=1e-3, atol=1e-5)
        assert np.logical_or(is_kept, np.isclose(y, 0, atol=1e-5)).all()
        kept.append(is_kept)
    assert 0.55 < np.mean(kept) < 0.65


@pytest.mark.parametrize("per_image", [True, False])
def test_masks_of_images_and_of_a_batch(make_layer, per_image):
    layer = make_layer(rate=0.5, per_image=per_image)
    x = np.random.default_rng(0).normal(size=(1, 5))
    y = ops.convert_to_numpy(layer(np.repeat(x, 8, 0), training=True))
    same = np.isclose(y, y[:1]).all()
    assert same != per_image


def test_the_mean_is_inference(make_layer):
    layer = make_layer(rate=0.3, activation="relu")
    kernel, bias = layer.get_weights()
    x = np.random.default_rng(1).normal(size=(4, 5)).astype("f4")
    np.testing.assert_allclose(
        layer(x), np.maximum(x @ kernel + bias, 0), atol=1e-5
    )
    layer.activation = keras.activations.linear
    many = np.repeat(x, 20000, 0)
    mean = ops.convert_to_numpy(layer(many, training=True))
    mean = mean.reshape(4, -1, 3).mean(1)
    np.testing.assert_allclose(mean, x @ kernel + bias, atol=0.03)


def test_fold_gives_the_plain_layer(make_layer):
    layer = make_layer(rate=0.5, activation="softmax", name="head")
    plain = layer.fold()
    x = np.ones((2, 5), "f4")
    assert type(plain) is keras.layers.Dense and plain.name == "head"
    np.testing.assert_allclose(plain(x), layer(x), atol=1e-6)


@pytest.mark.parametrize("rate", [1, -0.1])
def test_bad_rate(rate):
    with pytest.raises(ValueError, match=f"rate={rate}"):
        DropConnectDense(2, rate=rate)
