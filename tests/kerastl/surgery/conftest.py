"""What the tests of graph surgery share."""

import keras
import numpy as np
import pytest
from keras import layers


@pytest.fixture(scope="session")
def randomise():
    """Gives a model biases and statistics that are not zero and one.

    With fresh ones many mistakes leave no trace.
    """

    def run(model, seed=0):
        rng = np.random.default_rng(seed)
        for variable in model.weights:
            if not keras.backend.is_float_dtype(variable.dtype):
                continue
            if "variance" in variable.path:
                variable.assign(rng.uniform(0.5, 1.5, variable.shape))
            elif len(variable.shape) == 1:
                noise = rng.normal(scale=0.2, size=variable.shape)
                variable.assign(variable + noise.astype("float32"))
        return model

    return run


@pytest.fixture(scope="session")
def variables_by_layer():
    """Values of all variables by layer name and variable name."""

    def run(model, path=""):
        values = {}
        for layer in model.layers:
            name = f"{path}/{layer.name}"
            if hasattr(layer, "layers"):
                values.update(run(layer, name))
                continue
            for i, variable in enumerate(layer.variables):
                values[name, i] = keras.ops.convert_to_numpy(variable)
        return values

    return run


@pytest.fixture
def small_cnn():
    """Builds a nested backbone with all kinds of down-sampling, and a head."""

    def make(size=17):
        inputs = keras.Input((size, size, 3))
        x = layers.Conv2D(8, 3, strides=2, padding="same", name="stem")(inputs)
        x = layers.BatchNormalization(name="stem_bn")(x)
        x = layers.ReLU(name="stem_relu")(x)
        shortcut = layers.Conv2D(8, 1, strides=2, name="shortcut")(x)
        x = layers.DepthwiseConv2D(3, padding="same", name="dw")(x)
        x = layers.MaxPooling2D(3, 2, padding="same", name="max")(x)
        x = layers.Add(name="add")([x, shortcut])
        x = layers.AveragePooling2D(2, name="average")(x)
        backbone = keras.Model(inputs, x, name="backbone")

        inputs = keras.Input((size, size, 3), name="image")
        x = layers.Rescaling(1 / 127.5, -1, name="rescaling")(inputs)
        x = layers.GlobalAveragePooling2D(name="gap")(backbone(x))
        x = layers.Dropout(0.1, name="dropout")(x)
        outputs = layers.Dense(4, activation="softmax", name="head")(x)
        return keras.Model(inputs, outputs, name="small_cnn")

    return make


@pytest.fixture
def chain():
    """Builds a sequential model of the given layers."""

    def make(*stack, size=16):
        return keras.Sequential([keras.Input((size, size, 3)), *stack])

    return make


@pytest.fixture
def make_images():
    """Draws random images of 0 to 255, of `small_cnn`'s size."""

    def make(count=4, size=17, seed=0):
        rng = np.random.default_rng(seed)
        return rng.uniform(0, 255, (count, size, size, 3)).astype("float32")

    return make


@pytest.fixture
def predict():
    """Calls a model and returns its outputs as NumPy arrays."""

    def run(model, x):
        return keras.tree.map_structure(keras.ops.convert_to_numpy, model(x))

    return run


@pytest.fixture
def by_layer():
    """The rows of an `inspect_antialias` report by the layer's name."""

    def run(report):
        return {row.layer: row for row in report.rows}

    return run


@pytest.fixture
def shake():
    """Adds the same noise to the weights of the named layers."""

    def run(model, names):
        generator = np.random.default_rng(5)
        for name in names:
            layer = model.get_layer(name)
            layer.set_weights(
                [
                    value + generator.uniform(0, 0.3, value.shape)
                    for value in layer.get_weights()
                ]
            )
        return model

    return run


@pytest.fixture
def set_gates():
    """Gives gates logits that no image and no noise changes.

    One logit for every gate of a layer, or a list that is repeated.
    """

    def run(model, logits, name=""):
        for layer in model.layers:
            if layer.name.endswith(f"{name}_gate_logits"):
                kernel, bias = layer.get_weights()
                layer.set_weights([0 * kernel, np.resize(logits, bias.shape)])

    return run
