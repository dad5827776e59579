"""Small networks and data that several tests train."""

import keras
import numpy as np
import pytest
from keras import layers


def _conv(x, filters, name, strides=1, activation=True):
    x = layers.Conv2D(
        filters,
        3,
        strides=strides,
        padding="same",
        use_bias=False,
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(momentum=0.999, name=f"{name}_bn")(x)
    if activation:
        x = layers.ReLU(name=f"{name}_relu")(x)
    return x


@pytest.fixture
def make_network():
    """Builds a residual network of two stages on 16 px images."""

    def make(classes=3, dropout=0.0, name="network"):
        inputs = keras.Input((16, 16, 3), name="image")
        x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(inputs)
        x = _conv(x, 8, "stem", strides=2)
        y = _conv(x, 8, "block1", activation=False)
        x = layers.Add(name="block1_add")([x, y])
        x = _conv(x, 12, "down", strides=2)
        y = _conv(x, 12, "block2", activation=False)
        x = layers.Add(name="block2_add")([x, y])
        x = layers.ReLU(name="out_relu")(x)
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        if dropout:
            x = layers.Dropout(dropout, seed=3, name="dropout")(x)
        x = layers.Dense(classes, activation="softmax", name="predictions")(x)
        return keras.Model(inputs, x, name=name)

    return make


@pytest.fixture
def make_two_streams():
    """Builds a network of two backbones that have all inner names in common.

    The weights of all layers differ, and the backbones are called "rgb" and
    "ir".
    """

    def backbone(name, prefix, seed):
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((16, 16, 3))
        x = _conv(inputs, 4, f"{prefix}first", strides=2)
        x = _conv(x, 6, f"{prefix}second", strides=2)
        x = layers.GlobalAveragePooling2D(name=f"{prefix}pool")(x)
        return keras.Model(inputs, x, name=name)

    def make(names=("rgb", "ir"), apart=False):
        inputs = keras.Input((16, 16, 3), name="image")
        x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(inputs)
        streams = [
            backbone(name, f"{name}_" if apart else "", seed)(x)
            for seed, name in enumerate(names)
        ]
        x = layers.Concatenate(name="both")(streams)
        x = layers.Dense(3, activation="softmax", name="predictions")(x)
        return keras.Model(inputs, x, name="two_streams")

    return make


@pytest.fixture
def images():
    generator = np.random.default_rng(7)
    return generator.uniform(0, 255, (24, 16, 16, 3)).astype("float32")


@pytest.fixture
def labels():
    return np.random.default_rng(8).integers(0, 3, 24)
