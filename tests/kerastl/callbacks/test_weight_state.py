"""Variables of a training, counted and put back."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.callbacks.weight_state import WeightState

LARGEST = np.sqrt(np.finfo("float32").max)


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="a")])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def kernel(model, *values):
    changed = np.zeros((3, 2), "float32")
    changed.flat[: len(values)] = values
    model.get_layer("a").kernel.assign(changed)
    return model.get_layer("a").kernel.path


@pytest.mark.parametrize(
    "values, count, overflowing",
    [
        ([1.0, -2.0], 0, 0),
        ([np.nan], 1, 1),
        ([np.inf, -np.inf, np.nan], 3, 3),
        ([1e30, -1e30, 3.0], 0, 2),
        ([0.999 * LARGEST], 0, 0),
        ([1.001 * LARGEST], 0, 1),
    ],
)
def test_values_that_are_no_numbers_are_counted(
    model, values, count, overflowing
):
    path = kernel(model, *values)
    state = WeightState(model)
    assert state.unsound() == ({path: count} if count else {})
    found = state.unsound(overflow=True)
    assert found == ({path: overflowing} if overflowing else {})


def test_what_was_so_before_may_stay_so(model):
    path = kernel(model, np.inf, np.nan)
    state = WeightState(model)
    assert state.unsound({path: 2}) == state.unsound({path: 3}) == {}
    assert state.unsound({path: 1}) == {path: 2}
    assert state.unsound({"another": 2}) == {path: 2}


def test_large_numbers_of_the_optimizer_are_none_of_the_network(model):
    slot = model.optimizer.variables[-1]
    slot.assign(np.full(slot.shape, 1e30))
    assert WeightState(model).unsound(overflow=True) == {}
    slot.assign(np.full(slot.shape, np.inf))
    assert WeightState(model).unsound() == {slot.path: 2}


def test_all_variables_are_copied_and_put_back(model):
    state = WeightState(model)
    assert len(state.weights) == 2
    assert len(state.variables) == 2 + len(model.optimizer.variables)
    before = [np.array(v) for v in state.variables]
    copied = state.copy()
    for variable in state.variables:
        variable.assign(variable + 1)
    state.restore(copied)
    for variable, expected in zip(state.variables, before, strict=True):
        np.testing.assert_array_equal(variable, expected)


def test_a_change_shows_in_a_sum(model):
    kernel(model, 1.0, 2.5)
    assert WeightState(model).sums() == [3.5, 0.0]
    kernel(model, np.inf, -np.inf)
    first, second = WeightState(model).sums()
    assert np.isnan(first) and second == 0


def test_a_frozen_source_does_not_count(model):
    source = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    tuner = SimpleNamespace(
        source=source,
        weights=[*model.weights, *source.weights],
        optimizer=None,
    )
    state = WeightState(tuner)
    assert [id(v) for v in state.variables] == [id(v) for v in model.weights]
    with state.scope():
        pass
