"""A Keras model that is run as its files are."""

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.runners import keras_runner as module
from kerastl.export.runners.keras_runner import KerasRunner


def network(units=3, end=None):
    inputs = keras.Input((4, 6, 3), name="picture")
    x = layers.Dense(units, name="scores")(layers.Flatten()(inputs))
    if end is not None:
        x = layers.Activation(end, name="end")(x)
    return keras.Model(inputs, x)


def test_what_it_takes_and_gives():
    model = network()
    runner = KerasRunner(model, threads=3)
    assert runner.format == "keras"
    assert (runner.input_shape, runner.num_classes) == ((4, 6, 3), 3)
    # Keras decides how many threads there are.
    assert runner.threads is None
    assert runner.input == {
        "name": model.inputs[0].name,
        "dtype": "float32",
        "shape": [None, 4, 6, 3],
    }
    assert runner.output == {
        "name": model.outputs[0].name,
        "dtype": "float32",
        "shape": [None, 3],
    }
    images = np.random.default_rng(0).normal(size=(5, 4, 6, 3))
    images = images.astype("float32")
    expected = keras.ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(runner.predict(images), expected, rtol=1e-5)
    ready = runner.prepare(images[:1])
    for _ in range(2):
        np.testing.assert_allclose(ready(), expected[:1], rtol=1e-5)


def test_layers_run_as_in_inference_and_give_float32():
    inputs = keras.Input((4, 4, 1))
    x = layers.Dropout(0.9)(layers.Flatten()(inputs))
    runner = KerasRunner(keras.Model(inputs, layers.Activation("relu")(x)), 1)
    images = np.arange(32.0).reshape(2, 4, 4, 1)
    np.testing.assert_array_equal(runner.predict(images), images.reshape(2, 16))
    keras.config.set_dtype_policy("mixed_float16")
    half = KerasRunner(network(end="softmax"), 1)
    assert half.output["dtype"] == "float16"
    assert half.predict(np.ones((1, 4, 6, 3))).dtype == np.float32


@pytest.mark.parametrize(
    "most, sizes", [(1, [1] * 5), (2 * 72, [2, 2, 1]), (3 * 72 - 1, [2, 2, 1])]
)
def test_no_more_images_run_together_than_memory_holds(
    monkeypatch, most, sizes
):
    model = network()
    images = np.random.default_rng(0).normal(size=(5, 4, 6, 3))
    expected = KerasRunner(model, 1).predict(images)
    # The images of this network are its largest tensors, of 72 values.
    monkeypatch.setattr(module, "_MOST_VALUES", most)
    runner = KerasRunner(model, 1)
    run, seen = runner._call, []

    def call(images):
        seen.append(len(images))
        return run(images)

    runner._call = call
    np.testing.assert_allclose(runner.predict(images), expected, rtol=1e-5)
    assert seen == sizes


def test_a_network_for_images_of_any_size_runs_all_at_once():
    inputs = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 1)(inputs))
    model = keras.Model(inputs, x)
    assert module._most_together(model) == module._MOST_VALUES // 2


@pytest.mark.parametrize(
    "units, end, kind",
    [
        (3, "softmax", None),
        (1, None, "logits"),
        (1, "sigmoid", "sigmoid"),
        (1, "softmax", "sigmoid"),
    ],
)
def test_what_one_output_is(units, end, kind):
    assert KerasRunner(network(units, end), 1).kind == kind
