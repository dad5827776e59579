"""Means and variances of what is read, against NumPy on all images."""

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.layers.training_layers import StochNorm
from kerastl.surgery.batch_statistics import batch_statistics

IMAGES = np.random.default_rng(0).normal(1, 2, (13, 4, 4, 2)).astype("float32")


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
    found = batch_statistics(model, IMAGES, steps, batch_size)
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
    assert batch_statistics(plain, None) == []
    with pytest.raises(ValueError, match="no batch.*of type ndarray, steps=0"):
        batch_statistics(network(), IMAGES, steps=0)
    with pytest.raises(ValueError, match="no batch"):
        batch_statistics(network(), iter([]))
