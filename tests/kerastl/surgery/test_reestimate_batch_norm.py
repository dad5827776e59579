import keras
import numpy as np
import pytest
from keras import layers

import kerastl


def _two_layers():
    inputs = keras.Input((6, 6, 2))
    x = layers.Dropout(0.9, seed=1)(inputs)
    x = layers.Conv2D(3, 3, name="conv")(x)
    x = layers.BatchNormalization(name="first", epsilon=1e-3)(x)
    x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.BatchNormalization(name="second")(x)
    return keras.Model(inputs, layers.Dense(2)(x))


def _numpy_statistics(model, batches):
    """Mean and variance of what both layers see, layer by layer."""
    conv = model.get_layer("conv")
    kernel, bias = (w.astype("float64") for w in conv.get_weights())
    first, second = [], []
    for images in batches:
        windows = np.lib.stride_tricks.sliding_window_view(
            images.astype("float64"), (3, 3), axis=(1, 2)
        )
        x = np.einsum("bhwcij,ijco->bhwo", windows, kernel) + bias
        first.append(x)
        x = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-3)
        second.append(np.maximum(x, 0).mean((1, 2)))
    return [
        (
            np.concatenate(each).reshape(-1, 3).mean(0),
            np.concatenate(each).reshape(-1, 3).var(0),
        )
        for each in (first, second)
    ]


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    # Batches of different size and brightness, the last one smaller.
    return [
        generator.normal(k, 1 + k, (size, 6, 6, 2)).astype("float32")
        for k, size in enumerate([8, 8, 3])
    ]


def test_exactly_the_statistics_of_the_data(data):
    model = _two_layers()
    before = [w.numpy().copy() for w in model.trainable_variables]
    assert kerastl.reestimate_batch_norm(model, data) is model
    for name, (mean, variance) in zip(
        ("first", "second"), _numpy_statistics(model, data), strict=True
    ):
        layer = model.get_layer(name)
        np.testing.assert_allclose(layer.moving_mean, mean, atol=2e-5)
        np.testing.assert_allclose(layer.moving_variance, variance, rtol=2e-4)
        assert layer.momentum == 0.99
    for old, new in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_forms_of_data(data):
    images = np.concatenate(data)
    labels = np.zeros(len(images))
    batches = [images[i : i + 4] for i in range(0, len(images), 4)]
    results = []
    for form in (
        images,
        (images, labels),
        batches,
        [(batch, np.zeros(len(batch))) for batch in batches],
        iter(batches),
    ):
        keras.utils.set_random_seed(0)
        model = _two_layers()
        kerastl.reestimate_batch_norm(model, form, batch_size=4)
        results.append(model.get_layer("second").moving_mean.numpy())
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], atol=1e-6)


@pytest.mark.tensorflow_only
def test_dataset_and_steps(data):
    import tensorflow as tf

    images = np.concatenate(data)
    dataset = tf.data.Dataset.from_tensor_slices(
        (images, np.zeros(len(images)))
    )
    model = _two_layers()
    kerastl.reestimate_batch_norm(model, dataset.batch(8).repeat(), steps=1)
    (mean, _), _ = _numpy_statistics(model, [images[:8]])
    np.testing.assert_allclose(
        model.get_layer("first").moving_mean, mean, atol=2e-5
    )


def test_nested_and_frozen_layers(data):
    inner = _two_layers()
    inner.trainable = False
    model = keras.Sequential([keras.Input((6, 6, 2)), inner])
    kerastl.reestimate_batch_norm(model, data)
    (mean, _), _ = _numpy_statistics(inner, data)
    np.testing.assert_allclose(
        inner.get_layer("first").moving_mean, mean, atol=2e-5
    )
    assert not inner.trainable


def test_no_data():
    with pytest.raises(ValueError, match="no batch"):
        kerastl.reestimate_batch_norm(_two_layers(), iter([]))


def test_model_without_the_layer():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    assert kerastl.reestimate_batch_norm(model, iter([])) is model
