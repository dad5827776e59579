"""BatchNormalization in a fine-tune.

Means and variances of what is read are held against NumPy on all images.
"""

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.layers.training_layers import StochNorm
from kerastl.surgery import adjust_batch_norm
from kerastl.surgery import set_batch_norm
from kerastl.surgery.batch_norm import _batch_statistics
from kerastl.surgery.batch_norm import batch_normalizations

NAMES = ["stem_bn", "block1_bn", "down_bn", "block2_bn"]

IMAGES = np.random.default_rng(0).normal(1, 2, (13, 4, 4, 2)).astype("float32")


def test_momentum_of_every_layer_however_deep(make_network):
    inner = make_network()
    model = keras.Sequential([keras.Input((16, 16, 3)), inner])
    found = set_batch_norm(model, "train", 0.8)
    assert {layer.name for layer in found} == set(NAMES)
    assert all(layer.momentum == 0.8 for layer in found)
    assert all(layer.trainable for layer in found)


def test_none_keeps_the_momentum(make_network):
    model = make_network()
    set_batch_norm(model, "train", None)
    assert model.get_layer("stem_bn").momentum == 0.999


def test_freeze_stops_statistics_and_scales(make_network):
    model = make_network()
    assert len(model.trainable_variables) == 4 * 3 + 2
    set_batch_norm(model, "freeze")
    assert len(model.trainable_variables) == 4 + 2
    assert kerastl.surgery.copy_model(model).get_layer("stem_bn").trainable


@pytest.mark.parametrize(
    ("policy", "momentum"), [("thaw", 0.9), ("train", 1.0), ("train", -0.1)]
)
def test_no_policy_or_momentum(make_network, policy, momentum):
    with pytest.raises(ValueError, match="Received"):
        set_batch_norm(make_network(), policy, momentum)


def network(norm=layers.BatchNormalization):
    inputs = keras.Input((4, 4, 2))
    x = norm(name="first")(layers.Dropout(0.9)(inputs))
    x = layers.Dense(3, name="dense")(x)
    x = norm(name="second")(x)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize("norm", [layers.BatchNormalization, StochNorm])
@pytest.mark.parametrize("batch_size, steps", [(5, None), (13, 1), (4, 2)])
def test_moments_over_batches_of_unequal_size(norm, batch_size, steps):
    model = network(norm)
    before = model.get_weights()
    found = _batch_statistics(model, IMAGES, steps, batch_size)
    images = IMAGES if steps is None else IMAGES[: steps * batch_size]
    (mean, variance), (_, second) = found
    np.testing.assert_allclose(mean, images.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(variance, images.var((0, 1, 2)), rtol=1e-4)
    assert mean.dtype == variance.dtype == np.float64
    # The second reads what the first has normalized, by the batch.
    kernel, _ = model.get_layer("dense").get_weights()
    parts = [
        images[start : start + batch_size]
        for start in range(0, len(images), batch_size)
    ]
    outputs = np.concatenate(
        [
            (part - part.mean((0, 1, 2)))
            / np.sqrt(part.var((0, 1, 2)) + 1e-3)
            @ kernel
            for part in parts
        ]
    )
    np.testing.assert_allclose(second, outputs.var((0, 1, 2)), rtol=1e-3)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_without_layers_or_without_images():
    plain = keras.Sequential([keras.Input((4, 4, 2)), layers.Flatten()])
    assert _batch_statistics(plain, None) == []
    with pytest.raises(ValueError, match="no batch.*of type ndarray, steps=0"):
        _batch_statistics(network(), IMAGES, steps=0)
    with pytest.raises(ValueError, match="no batch"):
        _batch_statistics(network(), iter([]))


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


def test_no_data_to_reestimate_on():
    with pytest.raises(ValueError, match="no batch"):
        kerastl.reestimate_batch_norm(_two_layers(), iter([]))


def test_model_without_the_layer():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    assert kerastl.reestimate_batch_norm(model, iter([])) is model


def two_norms(factor=1.0):
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
    source, model = two_norms(), two_norms(factor=0.5)
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
    source = two_norms()
    model = kerastl.surgery.copy_model(source)
    before = statistics(model)
    adjust_batch_norm(model, source, images)
    for found, expected in zip(statistics(model), before, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("where", ["in both", "in the source"])
def test_a_dead_channel_keeps_its_variance(images, where):
    source, model = two_norms(), two_norms(factor=0.5)
    for each in (source, model)[: 2 if where == "in both" else 1]:
        kernel = each.get_layer("conv").get_weights()[0]
        kernel[..., 1] = 0
        each.get_layer("conv").set_weights([kernel])
    before = statistics(model)[1]
    adjust_batch_norm(model, source, images)
    after = statistics(model)[1]
    np.testing.assert_allclose(after / before, [0.25, 1.0, 0.25], rtol=1e-4)


def test_no_images_to_adjust_with():
    with pytest.raises(ValueError, match="no batch"):
        adjust_batch_norm(two_norms(), two_norms(), [])
