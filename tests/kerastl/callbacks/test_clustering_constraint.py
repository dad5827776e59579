import numpy as np
import pytest
from keras import ops

from kerastl.callbacks.clustering_constraint import ClusteringConstraint


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


def test_the_constraint_of_the_weight_comes_first():
    constraint = ClusteringConstraint(np.array([1, 1]), 1)
    constraint.inner = ops.abs
    found = constraint(ops.convert_to_tensor([-1.0, 3.0]))
    np.testing.assert_array_equal(found, [2, 2])
