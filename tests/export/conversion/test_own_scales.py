"""What TensorFlow's quantizer would take for one tensor is kept apart."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from keras import ops

from kerastl import export

pytestmark = pytest.mark.tensorflow_only

SHARED = {
    "celu": ops.celu,
    "negative half": lambda x: ops.relu(x) + 0.1 * ops.minimum(x, 0.0),
    "below one": lambda x: ops.minimum(x, 1.0) * 0.5 + x,
    "above a half": lambda x: ops.maximum(x, 0.5) * 0.5 + x,
    "between": lambda x: ops.clip(x, 0.0, 1.0) + x,
    "leaky": lambda x: ops.maximum(x, 0.3 * x),
    "where": lambda x: ops.where(x > 0.0, x, 0.2 * x),
    "compared": lambda x: ops.where(x < -1.0, 2.0, x),
    "sparse_plus": ops.sparse_plus,
    "relu": layers.ReLU(max_value=4.0, negative_slope=0.1, threshold=0.2),
}
# They have nothing to lose, or a scale of their own in any case.
NOT_SHARED = {
    "minimum": lambda x: ops.minimum(x, 1.0),
    "two": lambda x: ops.maximum(layers.Conv2D(8, 1)(x), layers.ReLU(6)(x)),
    "rectified": lambda x: ops.maximum(x, 0.0) + 0.1 * x,
    "relu6": lambda x: ops.relu6(x) + x,
}


def photos(count, seed):
    generator = np.random.default_rng(seed)
    brightness = generator.uniform(0.1, 1, (count, 1, 1, 3))
    images = generator.integers(0, 256, (count, 12, 12, 3)) * brightness
    return images.astype("uint8")


def network(function):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(8, 3, padding="same", kernel_initializer="he_normal")(x)
    x = layers.GlobalAveragePooling2D()(function(x))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


def operators(path):
    details = Interpreter(str(path))._get_ops_details()
    return [each["op_name"] for each in details]


@pytest.fixture
def as_tensorflow_writes_it(monkeypatch):
    """A function after which no operand is given a scale of its own."""
    return lambda: monkeypatch.setattr(
        "kerastl.export.conversion.freeze_graph.give_own_scales",
        lambda definition, outputs: None,
    )


def write(model, path, scheme="int8"):
    export.to_tflite(
        model,
        path,
        scheme=scheme,
        calibration=photos(100, seed=0),
        refine="none",
    )
    return path


def error(model, path):
    images = photos(40, seed=1).astype("float32")
    expected = model.predict(images, verbose=0)
    return np.abs(export.load(path).predict(images) - expected).mean()


@pytest.mark.parametrize("name", SHARED)
def test_a_range_is_not_cut_for_others(name, tmp_path, as_tensorflow_writes_it):
    model = network(SHARED[name])
    found = error(model, write(model, tmp_path / "own.tflite"))
    as_tensorflow_writes_it()
    cut = error(model, write(model, tmp_path / "shared.tflite"))
    assert found < 0.002
    assert found < 0.75 * cut


@pytest.mark.parametrize("name", ["celu", "below one", "between", "leaky"])
def test_nor_with_sixteen_bits(name, tmp_path):
    model = network(SHARED[name])
    path = write(model, tmp_path / "model.tflite", "int16x8")
    assert error(model, path) < 0.001


@pytest.mark.parametrize("name", NOT_SHARED)
def test_what_loses_nothing_costs_nothing(
    name, tmp_path, as_tensorflow_writes_it
):
    model = network(NOT_SHARED[name])
    own = write(model, tmp_path / "own.tflite")
    as_tensorflow_writes_it()
    shared = write(model, tmp_path / "shared.tflite")
    assert operators(own) == operators(shared)


def test_a_float_file_has_no_more_operators(tmp_path):
    model = network(SHARED["negative half"])
    path = tmp_path / "model.tflite"
    export.to_tflite(model, path, "float32")
    assert operators(path).count("MUL") == 2


def repeated(normalized, shared):
    """A convolution called twice, or two alike."""
    keras.utils.set_random_seed(0)
    normal = keras.initializers.RandomNormal

    def block():
        convolution = layers.Conv2D(
            8,
            1,
            kernel_initializer=keras.initializers.HeNormal(seed=1),
            bias_initializer=normal(stddev=0.3, seed=2),
        )
        if not normalized:
            return [convolution, layers.ReLU()]
        normalization = layers.BatchNormalization(
            beta_initializer=normal(stddev=0.3, seed=3),
            moving_mean_initializer=normal(stddev=0.3, seed=4),
        )
        return [convolution, normalization, layers.ReLU()]

    inputs = keras.Input((12, 12, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    one = block()
    for _ in range(2):
        for layer in one if shared else block():
            x = layer(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_equal_biases_are_rounded_each(normalized, shared, tmp_path):
    model = repeated(normalized, shared)
    path = write(model, tmp_path / "model.tflite", "int16x8")
    # With one for both: 0.0009 to 0.005.
    assert error(model, path) < 0.0005
