"""What the examples in docstrings speak of: small networks and a few images.

An example reads as a user would write it, with a `source`, a `student` and
`images` at hand. Each is made when an example asks for it.
"""

import types

import keras
import numpy as np
import rich.console
import tensorflow as tf
from keras import layers

import kerastl
from kerastl import apps
from kerastl import export
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.recipes.recipe import Setting

SIZE = 16
CLASSES = 10
COUNT = 20


def network(name=None, size=SIZE, classes=CLASSES):
    """A residual network of two stages."""
    inputs = keras.Input((size, size, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = _convolution(x, 8, "first", strides=2)
    x = _convolution(x, 16, "down", strides=2)
    y = _convolution(x, 16, "last", activation=False)
    x = layers.Add(name="block_1_add")([x, y])
    x = layers.ReLU(name="out_relu")(x)
    x = layers.GlobalAveragePooling2D(name="global_average_pooling2d")(x)
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
    """Makes what an example names, each thing once.

    Args:
        size: Width and height of the images that the networks take.
        margin: How much larger the images are that are given by themselves.
        number: How many classes there are.
    """

    def __init__(self, size=SIZE, margin=0, number=CLASSES):
        generator = np.random.default_rng(5)
        self.size, self.margin, self.number = size, margin, number
        shape = (COUNT, size, size, 3)
        self.pixels = generator.uniform(0, 255, shape).astype("float32")
        self.classes = np.arange(COUNT) % number
        self._made = {}

    def __getitem__(self, name):
        if name not in self._made:
            # Whatever was made before, a network has the same weights.
            keras.utils.set_random_seed(sum(map(ord, name)))
            self._made[name] = _MAKERS[name](self)
        return self._made[name]

    def __contains__(self, name):
        return name in _MAKERS


def _enlarged(images, margin):
    return np.pad(images, ((0, 0), (0, margin), (0, margin), (0, 0)))


def _batches(world):
    pairs = tf.data.Dataset.from_tensor_slices((world.pixels, world.classes))
    return pairs.batch(COUNT)


def _photos(world):
    images = world.pixels.astype("uint8")
    part = ImagePart(world.classes.astype("int32"), world.size, images)
    parts = {"train": part, "validation": part}
    return apps.ImageData(
        parts, list(map(str, range(world.number))), world.size
    )


def _network(name, world):
    return network(name, world.size, world.number)


def _tuner(world):
    tuner = kerastl.FineTuner(world["student"], source=world["source"])
    return compiled(tuner, transfer_losses=[kerastl.losses.PixelLevel()])


def _dense(*shape):
    return keras.ops.reshape(keras.ops.arange(float(np.prod(shape))), shape)


_MAKERS = {
    "keras": lambda world: keras,
    "kerastl": lambda world: kerastl,
    "apps": lambda world: apps,
    "export": lambda world: export,
    "np": lambda world: np,
    "rich": lambda world: rich,
    "Metadata": lambda world: export.Metadata,
    "PRESETS": lambda world: apps.PRESETS,
    "Setting": lambda world: Setting,
    # What a user has around it.
    "converter": lambda world: types.SimpleNamespace(convert=lambda: b""),
    "data": lambda world: _photos(world),
    "photos": lambda world: _photos(world),
    # Images and labels.
    "images": lambda world: _enlarged(world.pixels, world.margin),
    "normal_images": lambda world: world.pixels,
    "more_images": lambda world: world.pixels,
    "labels": lambda world: world.classes,
    "confidences": lambda world: np.linspace(0, 1, COUNT),
    "train": _batches,
    "validation": _batches,
    "test": _batches,
    "source_data": _batches,
    "unlabelled": lambda world: world["train"].map(lambda x, y: x),
    "dataset": lambda world: world["train"].unbatch(),
    "chosen": lambda world: kerastl.data.SampleFilter(COUNT),
    # Networks.
    "source": lambda world: _network("source", world),
    "student": lambda world: compiled(_network("student", world)),
    "teacher": lambda world: _network("teacher", world),
    "model": lambda world: compiled(_network("model", world)),
    "network": lambda world: _network("network", world),
    "gated": lambda world: kerastl.surgery.add_gated_filters(world["student"]),
    "block": lambda world: network("block"),
    "backbone": lambda world: kerastl.surgery.embed(network("backbone")),
    "head": lambda world: layers.Dense(CLASSES, activation="softmax"),
    "tuner": _tuner,
    "loss": lambda world: "sparse_categorical_crossentropy",
    # Features.
    "gaussians": lambda world: kerastl.metrics.fit_gaussians(
        world["model"], world.pixels
    ),
    "features": lambda world: keras.Input((12,)),
    "x": lambda world: _dense(2, 8, 8, 3),
    "first": lambda world: _dense(2, 8),
    "second": lambda world: _dense(2, 8),
    "tuned": lambda world: _dense(2, 4, 4, 3),
    "frozen": lambda world: _dense(2, 4, 4, 3),
    "gates": lambda world: keras.ops.ones((2, 3)),
    "branch": lambda world: _dense(2, 4, 4, 3),
    "shortcut": lambda world: _dense(2, 4, 4, 3),
}
