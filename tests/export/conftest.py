"""A small trained classifier and its images, shared by the export tests."""

import keras
import numpy as np
import pytest
from keras import layers

SIZE = 24
NUM_CLASSES = 4


def make_images(per_class, seed):
    """Coloured noise: the class is the channel (or grey) that is bright.

    The tint makes some of them doubtful, so that rounding can show.
    """
    generator = np.random.default_rng(seed)
    labels = np.tile(np.arange(NUM_CLASSES), per_class)
    colours = np.array(
        [[160, 110, 110], [110, 160, 110], [110, 110, 160], [130, 130, 130]]
    )
    tint = generator.normal(0, 10, (len(labels), 1, 1, 3))
    noise = generator.normal(0, 40, (len(labels), SIZE, SIZE, 3))
    images = colours[labels][:, None, None] + tint + noise
    images = np.clip(images, 0, 255)
    return images.astype("float32"), labels


def build_cnn(middle=None):
    """Returns an untrained CNN with everything an export has to deal with."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.RandomFlip("horizontal", name="flip")(inputs)
    x = layers.RandomZoom(0.1, name="zoom")(x)
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(x)
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.ReLU(6.0)(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.ReLU(6.0)(x)
    if middle is not None:
        x = middle(x)
    x = layers.Conv2D(96, 1, name="wide")(x)
    x = layers.ReLU(6.0)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    outputs = layers.Dense(
        NUM_CLASSES, activation="softmax", dtype="float32", name="head"
    )(x)
    return keras.Model(inputs, outputs)


def train(model):
    images, labels = make_images(40, seed=1)
    model.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    model.fit(images, labels, epochs=6, batch_size=16, verbose=0)
    return model


@pytest.fixture(scope="session")
def cnn_builder():
    """`build_cnn(middle=None)`: the same network untrained, to vary it."""
    return build_cnn


@pytest.fixture(scope="session")
def cnn():
    keras.utils.set_random_seed(0)
    return train(build_cnn())


@pytest.fixture(scope="session")
def calibration():
    return make_images(20, seed=2)


@pytest.fixture(scope="session")
def evaluation():
    return make_images(30, seed=3)


@pytest.fixture(scope="session")
def keras_probabilities(cnn, evaluation):
    return cnn.predict(evaluation[0], verbose=0)
