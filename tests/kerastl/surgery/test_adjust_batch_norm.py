import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.surgery import adjust_batch_norm
from kerastl.surgery.set_batch_norm import batch_normalizations


def network(factor=1.0):
    """Two BatchNormalizations, the first behind a kernel of `factor`."""
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, name="conv", use_bias=False)(inputs)
    x = layers.BatchNormalization(name="first", epsilon=1e-6)(x)
    x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.BatchNormalization(name="second", epsilon=1e-6)(x)
    model = keras.Model(inputs, x)
    generator = np.random.default_rng(1)
    kernel = generator.normal(size=(3, 3, 2, 3))
    model.get_layer("conv").set_weights([factor * kernel])
    for name in ("first", "second"):
        layer = model.get_layer(name)
        layer.moving_mean.assign(generator.normal(size=3))
        layer.moving_variance.assign(generator.uniform(0.5, 2.0, 3))
    return model


@pytest.fixture
def images():
    images = np.random.default_rng(0).normal(1, 2, (20, 6, 6, 2))
    return images.astype("float32")


def statistics(model):
    return [
        keras.ops.convert_to_numpy(value)
        for layer in batch_normalizations(model)
        for value in (layer.moving_mean, layer.moving_variance)
    ]


def test_statistics_move_as_the_activations_do(images):
    source, model = network(), network(factor=0.5)
    mean, variance, *second = statistics(model)
    kernel = source.get_layer("conv").get_weights()[0]
    windows = np.lib.stride_tricks.sliding_window_view(
        images.astype("float64"), (3, 3), axis=(1, 2)
    )
    seen = np.einsum("bhwcij,ijco->bhwo", windows, kernel).mean((0, 1, 2))
    assert adjust_batch_norm(model, source, images) is model
    found = statistics(model)
    np.testing.assert_allclose(found[0], mean - 0.5 * seen, atol=1e-5)
    np.testing.assert_allclose(found[1], variance * 0.25, rtol=1e-4)
    # Behind the first one both networks see the same again.
    np.testing.assert_allclose(found[2], second[0], atol=1e-3)
    np.testing.assert_allclose(found[3], second[1], rtol=1e-3)


def test_what_computes_the_same_keeps_its_statistics(images):
    source = network()
    model = kerastl.surgery.copy_model(source)
    before = statistics(model)
    adjust_batch_norm(model, source, images)
    for found, expected in zip(statistics(model), before, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("where", ["in both", "in the source"])
def test_a_dead_channel_keeps_its_variance(images, where):
    source, model = network(), network(factor=0.5)
    for each in (source, model)[: 2 if where == "in both" else 1]:
        kernel = each.get_layer("conv").get_weights()[0]
        kernel[..., 1] = 0
        each.get_layer("conv").set_weights([kernel])
    before = statistics(model)[1]
    adjust_batch_norm(model, source, images)
    after = statistics(model)[1]
    np.testing.assert_allclose(after / before, [0.25, 1.0, 0.25], rtol=1e-4)


def test_no_images():
    with pytest.raises(ValueError, match="no batch"):
        adjust_batch_norm(network(), network(), [])
