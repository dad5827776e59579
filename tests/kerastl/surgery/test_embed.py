"""What a head reads, as vectors."""

import keras
import numpy as np
from keras import layers

from kerastl.surgery.embed import embed
from kerastl.surgery.embed import pool

IMAGES = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype("float32")


def test_feature_maps_are_averaged_over_space():
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, name="features")(inputs)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    x = layers.Flatten()(layers.Conv2D(3, 1, name="head")(x))
    model = keras.Model(inputs, layers.Softmax()(x))
    found = embed(model)
    assert found.output_shape == (None, 4)
    expected = model.get_layer("features")(IMAGES)
    np.testing.assert_allclose(
        found(IMAGES), np.mean(expected, axis=(1, 2)), rtol=1e-5, atol=1e-6
    )


def test_vectors_stay_and_layers_are_shared():
    inputs = keras.Input((6, 6, 2))
    x = layers.Dense(5, activation="relu", name="hidden")(
        layers.Flatten()(inputs)
    )
    x = layers.Dropout(0.5)(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    found = embed(model)
    assert found.output_shape == (None, 5)
    hidden = model.get_layer("hidden")
    hidden.set_weights([np.ones((72, 5)), np.arange(5.0)])
    expected = IMAGES.reshape(3, -1).sum(1)[:, None] + np.arange(5)
    np.testing.assert_allclose(
        found(IMAGES), np.maximum(expected, 0), rtol=1e-4, atol=1e-4
    )


def test_only_maps_are_pooled():
    for shape, pooled in (((4,), (4,)), ((5, 5, 4), (4,)), ((5, 4), (5, 4))):
        assert pool(keras.Input(shape)).shape == (None, *pooled)
