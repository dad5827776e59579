"""A network with every kind of kernel, and data that train it in no time."""

import keras
import numpy as np
import pytest
from keras import layers


@pytest.fixture
def compressible():
    """Builds a network with a nested backbone and all kinds of kernels."""

    def make(optimizer=None, **kwargs):
        keras.utils.set_random_seed(3)
        inputs = keras.Input((8, 8, 3))
        x = layers.Conv2D(8, 3, strides=2, padding="same", name="conv")(inputs)
        x = layers.BatchNormalization(name="bn")(x)
        x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
        x = layers.SeparableConv2D(8, 3, activation="relu", name="separable")(x)
        backbone = keras.Model(inputs, x, name="backbone")
        inputs = keras.Input((8, 8, 3))
        x = layers.GlobalAveragePooling2D()(backbone(inputs))
        x = layers.Dense(3, activation="softmax", name="head")(x)
        model = keras.Model(inputs, x, name="network")
        model.compile(
            optimizer or keras.optimizers.SGD(0.1, momentum=0.9),
            "sparse_categorical_crossentropy",
            **kwargs,
        )
        return model

    return make


@pytest.fixture
def train():
    """Trains a model on 4 batches an epoch; the same ones every time."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(16, 8, 8, 3)).astype("float32")
    labels = rng.integers(0, 3, 16)

    def run(model, *callbacks, **kwargs):
        kwargs = {"epochs": 2, "batch_size": 4, "shuffle": False, **kwargs}
        return model.fit(
            images, labels, verbose=0, callbacks=list(callbacks), **kwargs
        )

    return run


@pytest.fixture
def kernels_of():
    """The prunable kernels of a network by the name of their layer."""
    from kerastl.surgery.find_kernels import find_kernels

    def run(model, depthwise=False):
        return {
            kernel.layer.name: kernel.numpy()
            for kernel in find_kernels(model, depthwise=depthwise)
        }

    return run


class Watcher(keras.callbacks.Callback):
    """Keeps the kernels after every batch."""

    def __init__(self, read):
        super().__init__()
        self.read = read
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(self.read(self.model))


@pytest.fixture
def watcher(kernels_of):
    return Watcher(kernels_of)
