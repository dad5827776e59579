import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.diagnosis.output_errors import _logits
from kerastl.export.diagnosis.output_errors import output_errors
from kerastl.export.runners.keras_calls import keras_calls


def errors_of(model, disturbed, images):
    calls, output = keras_calls(model)
    place = {
        name: call.outputs[0]
        for call in calls
        for name in disturbed
        if call.path == name
    }
    found = output_errors(
        calls, output, {place[name]: disturbed[name] for name in place}, images
    )
    return {name: found[place[name]] for name in place}


@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
def test_each_error_alone_reaches_the_output(activation):
    """Against a NumPy network with one place disturbed at a time."""
    keras.utils.set_random_seed(0)
    units = 1 if activation == "sigmoid" else 5
    inputs = keras.Input((6,))
    first = layers.Dense(8, activation="relu", name="first")
    second = layers.Dense(8, name="second")
    x = first(inputs)
    x = layers.Add(name="add")([x, second(x)])
    head = layers.Dense(units, activation=activation, name="head")
    model = keras.Model(inputs, head(x))
    # Confident: a softmax says the same before and after.
    head.kernel.assign(4 * head.kernel)
    generator = np.random.default_rng(0)
    images = generator.normal(size=(3, 6)).astype("float32")
    noise = {
        name: generator.normal(0, 0.01, (3, 8)).astype("float32")
        for name in ("first", "second", "add")
    }

    def forward(**noise):
        weights = [layer.get_weights() for layer in (first, second, head)]
        (a, a0), (b, b0), (c, c0) = weights
        one = np.maximum(images @ a + a0, 0) + noise.get("first", 0)
        two = one @ b + b0 + noise.get("second", 0)
        logits = (one + two + noise.get("add", 0)) @ c + c0
        if activation == "softmax":
            logits -= logits.mean(axis=-1, keepdims=True)
        return logits

    exact = forward()
    found = errors_of(model, noise, images)
    for name, error in noise.items():
        change = forward(**{name: error}) - exact
        expected = 10 * np.log10((exact**2).sum() / (change**2).sum())
        # A sigmoid near one has few digits left.
        assert found[name] == pytest.approx(expected, abs=0.5), name


def test_an_error_at_the_output_is_taken_as_it_is():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Softmax(name="head")(inputs))
    images = np.eye(4, dtype="float32")[:2] * 50
    error = np.full((2, 4), 0.005, "float32")
    found = errors_of(model, {"head": error}, images)["head"]
    exact = np.asarray(model(images))
    assert found == pytest.approx(
        10 * np.log10((exact**2).sum() / (error**2).sum()), abs=0.01
    )


def test_a_softmax_at_every_place_is_undone_at_each():
    logits = np.random.default_rng(0).normal(size=(2, 3, 3, 4))
    outputs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = logits - logits.mean(-1, keepdims=True)
    np.testing.assert_allclose(_logits(outputs), expected, atol=1e-12)
    # No distribution over the classes: several may be there at once.
    np.testing.assert_array_equal(_logits(outputs / 2), outputs / 2)
