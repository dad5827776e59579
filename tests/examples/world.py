"""What the examples in docstrings speak of: small networks and a few images.

An example reads as a user would write it, with a `source`, a `student` and
`images` at hand. Each is made when an example asks for it.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import kerastl
from kerastl import apps
from kerastl import export

SIZE = 32
CLASSES = 10
COUNT = 20


def network(name=None, size=SIZE, classes=CLASSES):
    """A residual network of two stages, with the names of MobileNetV2."""
    inputs = keras.Input((size, size, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = _convolution(x, 8, "first", strides=2)
    y = _convolution(x, 8, "inner", activation=False)
    x = layers.Add(name="block_1_add")([x, y])
    x = _convolution(x, 16, "down", strides=2)
    y = _convolution(x, 16, "last", activation=False)
    x = layers.Add(name="block_2_add")([x, y])
    x = layers.ReLU(name="out_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(classes, activation="softmax", name="head")(x)
    return keras.Model(inputs, outputs, name=name)


def _convolution(x, filters, name, strides=1, activation=True):
    x = layers.Conv2D(
        filters,
        3,
        strides=strides,
        padding="same",
        use_bias=False,
        name=name,
    )(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if activation else x


def compiled(model, **arguments):
    model.compile(
        keras.optimizers.SGD(0.001, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        **arguments,
    )
    return model


class World:
    """Makes what an example names; `names` has it by then."""

    def __init__(self):
        generator = np.random.default_rng(5)
        shape = (COUNT, SIZE, SIZE, 3)
        self.pixels = generator.uniform(0, 255, shape).astype("float32")
        self.classes = np.arange(COUNT) % CLASSES
        self._made = {}

    def __getitem__(self, name):
        if name not in self._made:
            self._made[name] = _MAKERS[name](self)
        return self._made[name]

    def __contains__(self, name):
        return name in _MAKERS


def _batches(world):
    return tf.data.Dataset.from_tensor_slices(
        (world.pixels, world.classes)
    ).batch(10)


def _tuner(world):
    return compiled(
        kerastl.FineTuner(world["student"], source=world["source"]),
        transfer_losses=[kerastl.losses.PixelLevel()],
    )


_MAKERS = {
    "keras": lambda world: keras,
    "kerastl": lambda world: kerastl,
    "apps": lambda world: apps,
    "export": lambda world: export,
    "np": lambda world: np,
    "images": lambda world: world.pixels,
    "normal_images": lambda world: world.pixels,
    "more_images": lambda world: world.pixels,
    "labels": lambda world: world.classes,
    "confidences": lambda world: np.linspace(0, 1, COUNT),
    "train": _batches,
    "validation": _batches,
    "test": _batches,
    "unlabelled": lambda world: _batches(world).map(lambda x, y: x),
    "dataset": lambda world: _batches(world).unbatch(),
    "source_data": _batches,
    "chosen": lambda world: kerastl.data.SampleFilter(COUNT),
    "source": lambda world: network("source"),
    "student": lambda world: compiled(network("student")),
    "teacher": lambda world: network("teacher"),
    "model": lambda world: compiled(network("model")),
    "network": lambda world: network("network"),
    "tuner": _tuner,
}
