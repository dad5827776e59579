"""Sums of errors against NumPy on all values at once."""

import math
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.diagnosis.layer_statistics import LayerStatistics
from kerastl.export.diagnosis.layer_statistics import _logits
from kerastl.export.diagnosis.layer_statistics import _Sums
from kerastl.export.diagnosis.layer_statistics import output_errors
from kerastl.export.diagnosis.layer_statistics import signal_to_noise
from kerastl.export.runners.file_graph import Quantization
from kerastl.export.runners.keras_calls import keras_calls

ROUNDING = Quantization(0.5, 0, (-8, 7))
CALL = SimpleNamespace(path="net/conv", operation=layers.ReLU())


def measured(exact, given, received, quantization=ROUNDING):
    """Of values that are added in two batches."""
    sums = _Sums()
    for part in (slice(0, 3), slice(3, None)):
        sums.add(
            *(np.float32(each)[part] for each in (exact, given, received)),
            quantization,
        )
    tensor = SimpleNamespace(name="t", kind="RELU", quantization=quantization)
    return sums.row(CALL, tensor, 4, ("a",), 33.0)


def test_all_figures_equal_numpy():
    generator = np.random.default_rng(0)
    exact = generator.normal(0, 2, 50).astype("float32")
    given = exact + generator.normal(0, 0.1, 50).astype("float32")
    received = ROUNDING.round(given).astype("float32")
    row = measured(exact, given, received)
    assert (row.layer, row.kind, row.position) == ("net/conv", "ReLU", 4)
    assert (row.merged, row.tensor, row.operator) == (("a",), "t", "RELU")
    assert row.sqnr == pytest.approx(signal_to_noise(given, received))
    assert row.accumulated_sqnr == pytest.approx(
        signal_to_noise(exact, received)
    )
    assert row.output_sqnr == 33.0
    norms = np.linalg.norm(exact) * np.linalg.norm(received)
    assert row.cosine == pytest.approx(exact @ received / norms)
    assert row.seen == pytest.approx((exact.min(), exact.max()))
    assert (row.scale, row.range) == (0.5, (-4.0, 3.5))
    beyond = (given < -4.25) | (given > 3.75)
    assert 0 < beyond.mean() == row.saturation


def test_what_rounds_to_the_last_step_is_inside():
    given = [-4.3, -4.25, -4.2, 3.5, 3.75, 3.8]
    assert measured(given, given, given).saturation == 2 / 6


@pytest.mark.parametrize(
    "given, received, cause",
    [
        ([0.2, 1.2], [0.2, 1.2], "none"),
        ([0.2, 1.2], [0.0, 1.0], "rounding"),
        ([0.2, 9.5], [0.0, 3.5], "saturation"),
        ([0.2, 1.2], [1.0, 3.0], "weights"),
        # Of half of the noise it cannot be said: 0.25 ** 2 of 2 * 0.25 ** 2.
        ([0.25, 1.0], [0.5, 1.25], "weights"),
        ([4.0, 1.0], [3.5, 1.5], "weights"),
    ],
)
def test_the_cause_is_most_of_the_noise(given, received, cause):
    given, received = np.resize(given, 6), np.resize(received, 6)
    assert measured(given, given, received).cause == cause


def test_without_rounding_and_without_values():
    row = measured(np.zeros(6), np.zeros(6), np.ones(6), None)
    assert row.scale is row.range is None
    assert (row.cause, row.saturation) == ("weights", 0)
    assert math.isnan(row.cosine) and row.sqnr == -math.inf
    assert row.seen == (0, 0)


def test_layers_without_a_tensor_belong_to_the_one_that_they_feed():
    inputs = keras.Input((3,))
    x = layers.Dense(3, name="first")(inputs)
    x = layers.ReLU(name="relu")(x)
    y = layers.Dense(3, name="branch")(x)
    x = layers.Add(name="add")([x, y])
    outputs = layers.Dense(2, name="unread")(layers.Softmax(name="soft")(x))
    calls, output = keras_calls(keras.Model(inputs, outputs))
    place = {call.path: call.outputs[0] for call in calls}
    matches = {
        place[name]: SimpleNamespace(
            tensor=SimpleNamespace(
                key=name, name=name, kind="K", quantization=None
            ),
            as_layer=lambda values, shape: values.reshape(shape),
        )
        for name in ("relu", "add")
    }
    statistics = LayerStatistics(calls, output, matches)
    assert statistics._merged() == {
        place["relu"]: ("first",),
        place["add"]: ("branch",),
    }
    images = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    for batch in (images[:5], images[5:]):
        values = {0: batch}
        for call in calls:
            values |= call.run(values)
        # The file adds 0.1 at one place, and nothing of its own behind it.
        relu = values[place["relu"]] + np.float32(0.1)
        branch = calls[2].run({place["relu"]: relu})[place["branch"]]
        statistics.update(batch, {"relu": relu, "add": relu + branch})
    rows = statistics.result()
    assert list(rows) == [place["relu"], place["add"]]
    assert [row.position for row in rows.values()] == [0, 1]
    relu, add = rows.values()
    assert relu.merged == ("first",) and add.merged == ("branch",)
    whole = {0: images}
    for call in calls:
        whole |= call.run(whole)
    exact = whole[place["relu"]]
    assert relu.sqnr == pytest.approx(signal_to_noise(exact, exact + 0.1))
    assert relu.accumulated_sqnr == pytest.approx(relu.sqnr)
    # Given the inputs of the file, it makes no error.
    assert add.sqnr > 100 > add.accumulated_sqnr
    # What the error does to the output is told by the first four images.
    given = whole[place["relu"]][:4] + np.float32(0.1)
    after = {place["relu"]: given}
    for call in calls[2:]:
        after |= call.run(after)
    assert relu.output_sqnr == pytest.approx(
        signal_to_noise(whole[output][:4], after[output]), abs=0.01
    )


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


def test_an_error_of_one_percent_is_forty_decibels():
    values = np.random.default_rng(0).normal(size=1000).astype("float32")
    assert signal_to_noise(values, 1.01 * values) == pytest.approx(40, abs=0.01)
    assert signal_to_noise(values, 0 * values) == pytest.approx(0)


def test_the_ends():
    values = np.ones(3, "float32")
    assert signal_to_noise(values, values) == math.inf
    assert signal_to_noise(0 * values, values) == -math.inf
    assert signal_to_noise(0 * values, 0 * values) == math.inf
