"""A small network with a nested backbone, and its files."""

import keras
import numpy as np
import pytest
from keras import layers

from kerastl import export

SIZE = 12


def make_images(count, seed):
    generator = np.random.default_rng(seed)
    images = generator.uniform(0, 255, (count, SIZE, SIZE, 3))
    images[:, 3:9, 3:9] *= generator.uniform(0.2, 1, (count, 1, 1, 1))
    return images.astype("float32")


def build_net():
    """Every way in which converters merge and split layers."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="stem")(inputs)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.BatchNormalization(name="depthwise_bn")(y)
    y = layers.Activation("hard_swish", name="hard_swish")(y)
    y = layers.Conv2D(8, 1, name="project")(y)
    x = layers.Add(name="add")([x, y])
    pooled = layers.MaxPooling2D(3, 1, padding="same", name="pool")(x)
    x = layers.Concatenate(name="concatenate")([x, pooled])
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="norm_relu")(x)
    backbone = keras.Model(inputs, x, name="backbone")

    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.RandomFlip("horizontal", name="flip")(inputs)
    x = layers.Rescaling(1 / 127.5, -1.0, name="rescale")(x)
    x = backbone(x)
    x = keras.ops.add(x, keras.ops.square(x))
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dropout(0.2, name="dropout")(x)
    x = layers.Dense(6, activation="swish", name="hidden")(x)
    outputs = layers.Dense(4, activation="softmax", name="head")(x)
    return keras.Model(inputs, outputs, name="net")


def settle(model, seed):
    """Gives weights and statistics values as a training would."""
    generator = np.random.default_rng(seed)
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            size = layer.gamma.shape[0]
            layer.set_weights(
                [
                    generator.uniform(0.5, 1.5, size),
                    generator.normal(0, 0.5, size),
                    generator.normal(0, 0.3, size),
                    generator.uniform(0.3, 1.5, size),
                ]
            )
    return model


@pytest.fixture(scope="session")
def net():
    keras.utils.set_random_seed(3)
    return settle(build_net(), 0)


@pytest.fixture(scope="session")
def images():
    return make_images(24, 1)


@pytest.fixture(scope="session")
def files(net, tmp_path_factory):
    """The int8 files of `net`, by format."""
    folder = tmp_path_factory.mktemp("files")
    calibration = make_images(60, 2)
    paths = {
        "tflite": folder / "net.tflite",
        "onnx": folder / "net.onnx",
    }
    export.to_tflite(
        net, paths["tflite"], calibration=calibration, refine="none"
    )
    export.to_onnx(net, paths["onnx"], calibration=calibration, refine="none")
    return paths
