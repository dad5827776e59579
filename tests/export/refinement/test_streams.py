"""Two streams of images, against the model and rounding in NumPy."""

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.refinement.kernel_matrix import KernelMatrix
from kerastl.export.refinement.refinable_copy import Schedule
from kerastl.export.refinement.streams import Levels
from kerastl.export.refinement.streams import Streams

pytestmark = pytest.mark.tensorflow_only

IMAGES = np.random.default_rng(0).uniform(-1, 2, (12, 4, 4, 2))
IMAGES = IMAGES.astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 2, name="first")(inputs)
    x = layers.Activation("silu", name="silu")(x)
    gate = layers.Activation("sigmoid", name="gate")(x)
    x = layers.Multiply(name="product")([x, gate])
    x = layers.Flatten(name="flat")(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


def rounded(values, low=None, high=None):
    """To the 256 levels between the ends of all values, zero among them."""
    low = min(values.min() if low is None else low, 0)
    high = max(values.max() if high is None else high, 0)
    return Levels.between(float(low), float(high)).rounded(values)


def values_of(model, name, images):
    output = model.get_layer(name).output
    return np.asarray(keras.Model(model.inputs[0], output)(images))


@pytest.mark.parametrize("rounds", [True, False])
def test_what_reaches_the_last_kernel(model, rounds):
    schedule = Schedule(model)
    streams = Streams(schedule, (IMAGES[:10], IMAGES[10:]), rounds)
    assert streams.num_fit == 1
    for index in range(len(schedule.groups) - 1):
        streams.run_float(index)
        streams.run_rounded(index)
    [kernel] = [g.kernel for g in schedule.groups][-1:]
    matrix = KernelMatrix(kernel.operation)
    found = [*streams.windows(kernel.inputs[0], matrix)]
    exact = values_of(model, "flat", IMAGES)
    for (rows, low), part in zip(found, (exact[:10], exact[10:]), strict=True):
        np.testing.assert_allclose(rows[0], part, rtol=1e-4, atol=1e-6)
        assert rows.shape == low.shape == (1, *part.shape)
    low = np.concatenate([each[1][0] for each in found])
    if not rounds:
        np.testing.assert_allclose(low, exact, rtol=1e-4, atol=1e-6)
        return
    # As a file computes: images, kernel, silu with its sigmoid, sigmoid,
    # product; of each the range is that of the float network.
    first = values_of(model, "first", IMAGES)
    x = np.asarray(model.get_layer("first")(rounded(IMAGES)))
    x = rounded(x, first.min(), first.max())
    gates = Levels(1 / 256, 0)
    silu = values_of(model, "silu", IMAGES)
    x = x * gates.rounded(1 / (1 + np.exp(-x)))
    x = rounded(x, silu.min(), silu.max())
    product = values_of(model, "product", IMAGES)
    x = x * gates.rounded(1 / (1 + np.exp(-x)))
    x = rounded(x, product.min(), product.max())
    step = (product.max() - min(product.min(), 0)) / 255
    np.testing.assert_allclose(low, x.reshape(12, -1), atol=1.01 * step)
    assert np.abs(low - x.reshape(12, -1)).mean() < 0.02 * step
    assert np.abs(low - exact).mean() > 0.1 * step


def test_what_nobody_reads_any_more_is_gone(model):
    schedule = Schedule(model)
    streams = Streams(schedule, (IMAGES[:10], IMAGES[10:]))
    assert set(streams._float) == set(streams._low) == {0}
    for index, group in enumerate(schedule.groups):
        streams.run_float(index)
        streams.run_rounded(index)
        kept = {
            number
            for call in group.calls
            for number in call.outputs
            if schedule.last_reader.get(number, -1) > index
        }
        assert kept <= set(streams._float)
        assert set(streams._float) == set(streams._low)
        for number in streams._float:
            assert schedule.last_reader[number] > index
    assert streams._float == streams._low == {}


def test_levels_move_with_what_is_added(model):
    schedule = Schedule(model)
    streams = Streams(schedule, (IMAGES[:10], IMAGES[10:]))
    streams.run_float(0)
    number = schedule.groups[0].calls[0].outputs[0]
    low, high = streams._ends[number]
    assert streams._levels[number] == Levels.between(low, high)
    streams.move(number, 0.25)
    assert streams._levels[number] == Levels.between(low + 0.25, high + 0.25)
    streams.move(999, 0.25)
    assert 999 not in streams._levels


def test_a_tensor_that_is_not_finite_has_no_levels(model):
    twin = keras.models.clone_model(model)
    twin.get_layer("first").kernel.assign(np.full((2, 2, 2, 3), 3e38))
    schedule = Schedule(twin)
    streams = Streams(schedule, (IMAGES[:10], IMAGES[10:]))
    streams.run_float(0)
    number = schedule.groups[0].calls[0].outputs[0]
    assert number not in streams._levels and number not in streams._ends
