"""Sums of errors against NumPy on all values at once."""

import math
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.diagnosis.layer_statistics import LayerStatistics
from kerastl.export.diagnosis.layer_statistics import _Sums
from kerastl.export.diagnosis.signal_to_noise import signal_to_noise
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
