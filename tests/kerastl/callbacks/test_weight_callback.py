"""Constraints that a callback holds on a weight for a while."""

import keras
import numpy as np
import pytest
from keras import ops

from kerastl.callbacks.weight_callback import ClusteringConstraint
from kerastl.callbacks.weight_callback import HeldConstraint
from kerastl.callbacks.weight_callback import PruningConstraint


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


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_is_pruned_is_zero_and_the_rest_untouched(dtype):
    constraint = PruningConstraint(np.array([[True, False], [False, True]]))
    weights = ops.convert_to_tensor([[1.5, 2.0], [np.nan, -3.0]], dtype)
    found = ops.convert_to_numpy(constraint(weights))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, [[1.5, 0], [0, -3]])
    assert not constraint.mask.trainable
    # A change of the mask counts at once.
    constraint.mask.assign([[False, True], [False, True]])
    found = ops.convert_to_numpy(constraint(weights))
    np.testing.assert_array_equal(found, [[0, 2], [0, -3]])


def test_zeros_are_kept_where_some_are():
    constraint = PruningConstraint.of_zeros(np.array([0.0, 1e-30, -1.0]))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(constraint.mask), [False, True, True]
    )
    assert PruningConstraint.of_zeros(np.zeros(3)) is None
    assert PruningConstraint.of_zeros(np.ones(3)) is None


def test_the_constraint_of_the_weight_comes_first():
    constraint = PruningConstraint(np.array([True, False]))
    constraint.inner = lambda w: w + 1
    found = constraint(ops.convert_to_tensor([1.0, 1.0]))
    np.testing.assert_array_equal(ops.convert_to_numpy(found), [2, 0])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_each_cluster_has_the_mean_of_its_weights(dtype):
    labels = np.array([[1, 2, 2], [0, 3, 2], [3, 0, 5]])
    # There is no weight in the fourth cluster.
    constraint = ClusteringConstraint(labels, 5)
    weights = np.array([[7, 1, 2], [9, -4, 6], [-2, 8, 0.5]], dtype)
    found = ops.convert_to_numpy(constraint(ops.convert_to_tensor(weights)))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, [[7, 3, 3], [0, -3, 3], [-3, 0, 0.5]])
    # What is equal already stays.
    again = ops.convert_to_numpy(constraint(ops.convert_to_tensor(found)))
    np.testing.assert_array_equal(again, found)


def test_what_it_keeps_is_not_trained():
    constraint = ClusteringConstraint(np.array([0, 1, 1, 3]), 3)
    np.testing.assert_array_equal(constraint.labels, [0, 1, 1, 3])
    np.testing.assert_array_equal(constraint.shares, [0, 0.5, 1, 1])
    for variable in (constraint.labels, constraint.shares):
        assert not variable.trainable


def test_clusters_are_made_after_the_constraint_of_the_weight():
    constraint = ClusteringConstraint(np.array([1, 1]), 1)
    constraint.inner = ops.abs
    found = constraint(ops.convert_to_tensor([-1.0, 3.0]))
    np.testing.assert_array_equal(found, [2, 2])
