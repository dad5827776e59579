"""Constraints that a callback holds on a weight for a while."""

import keras
import numpy as np
import pytest

from kerastl.callbacks.held_constraint import HeldConstraint


class Doubled(HeldConstraint):
    def project(self, w):
        return 2 * w


@pytest.fixture
def variable():
    variable = keras.Variable(np.float32([1.0, -1.0]), name="kernel")
    variable.constraint = keras.constraints.NonNeg()
    return variable


def test_it_comes_on_top_of_the_weights_own(variable):
    own = variable.constraint
    held = Doubled()
    held.attach(variable)
    assert variable.constraint is held and held.inner is own
    np.testing.assert_array_equal(held(variable.value), [2, 0])
    HeldConstraint.release(variable)
    assert variable.constraint is own
    # One that no callback holds is left alone.
    HeldConstraint.release(variable)
    assert variable.constraint is own
    np.testing.assert_array_equal(Doubled()(variable.value), [2, -2])


def test_two_callbacks_cannot_hold_a_weight(variable):
    first = Doubled()
    first.attach(variable)
    with pytest.raises(ValueError, match="held by Doubled, and now by Doubled"):
        Doubled().attach(variable)
    assert variable.constraint is first


def test_a_weight_without_a_constraint():
    variable = keras.Variable(np.float32([3.0]))
    Doubled().attach(variable)
    np.testing.assert_array_equal(variable.constraint(variable.value), [6])
    HeldConstraint.release(variable)
    assert variable.constraint is None
    with pytest.raises(NotImplementedError, match="project"):
        HeldConstraint()(variable.value)
