import numpy as np
import pytest
from keras import ops

from kerastl.callbacks.pruning_constraint import PruningConstraint


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
