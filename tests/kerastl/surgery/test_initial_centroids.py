"""First centroids, by hand."""

import numpy as np
import pytest

from kerastl.surgery.initial_centroids import INITIALIZATIONS
from kerastl.surgery.initial_centroids import initial_centroids

VALUES = np.array([4.0, -2.0, 0.0, 1.0, 8.0])


def test_evenly_between_the_ends():
    found = initial_centroids(VALUES, 6, "linear")
    np.testing.assert_allclose(found, [-2, 0, 2, 4, 6, 8])


def test_as_many_weights_between_each_two():
    found = initial_centroids(VALUES, 3, "density")
    np.testing.assert_allclose(found, [-2, 1, 8])


@pytest.mark.parametrize("seed", [0, 5, [3, 4]])
def test_drawn_by_the_squared_distance_from_what_is_there(seed):
    generator = np.random.default_rng(seed)
    chosen = [generator.choice(VALUES)]
    for _ in range(2):
        square = np.min([(VALUES - each) ** 2 for each in chosen], axis=0)
        chosen.append(generator.choice(VALUES, p=square / square.sum()))
    found = initial_centroids(VALUES, 3, "kmeans++", seed)
    np.testing.assert_array_equal(found, np.sort(chosen))


def test_without_a_seed_it_is_that_of_zero():
    found = initial_centroids(VALUES, 4, "kmeans++")
    expected = initial_centroids(VALUES, 4, "kmeans++", 0)
    np.testing.assert_array_equal(found, expected)


def test_fewer_values_than_centroids():
    found = initial_centroids(np.array([1.0, 1.0, 3.0]), 4, "kmeans++")
    assert len(found) == 4 and set(found) == {1.0, 3.0}
    assert INITIALIZATIONS == ("linear", "density", "kmeans++")
