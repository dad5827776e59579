import keras
import numpy as np
import pytest

import kerastl
from kerastl.surgery.cluster_weights import INITIALIZATIONS
from kerastl.surgery.cluster_weights import _initial_centroids
from kerastl.surgery.cluster_weights import weight_clusters

VALUES = np.array([4.0, -2.0, 0.0, 1.0, 8.0])


@pytest.fixture
def weights():
    return np.random.default_rng(2).normal(size=(6, 50)).astype("float32")


def test_nearest_centroids_by_hand(weights):
    labels, centroids = weight_clusters(weights, 7, "linear", iterations=0)
    expected = np.linspace(weights.min(), weights.max(), 7)
    np.testing.assert_allclose(centroids[1:], expected)
    distances = np.abs(weights[..., None] - expected)
    np.testing.assert_array_equal(labels, 1 + distances.argmin(-1))


def test_iterations_are_those_of_k_means(weights):
    _, centroids = weight_clusters(weights, 5, "linear", iterations=3)
    expected = np.linspace(weights.min(), weights.max(), 5)
    for _ in range(3):
        nearest = np.abs(weights[..., None] - expected).argmin(-1)
        expected = np.array([weights[nearest == i].mean() for i in range(5)])
    np.testing.assert_allclose(centroids[1:], expected, rtol=1e-5)


def test_density_has_as_many_between_each_two(weights):
    centroids = _initial_centroids(weights.ravel(), 5, "density")
    counts, _ = np.histogram(weights, centroids)
    np.testing.assert_array_equal(counts, 75)


def test_kmeans_plus_plus_is_seeded_and_finds_what_is_apart():
    values = np.repeat([-5.0, 0.1, 3.0], 20) + np.tile([0, 1e-3], 30)
    for seed in range(5):
        centroids = _initial_centroids(values, 3, "kmeans++", seed)
        np.testing.assert_allclose(centroids, [-5, 0.1, 3], atol=2e-3)
    first, second = (_initial_centroids(values, 4, "kmeans++") for _ in "ab")
    np.testing.assert_array_equal(first, second)


def test_zeros_apart(weights):
    weights[weights < 0] = 0
    labels, centroids = weight_clusters(weights, 4, keep_zeros=True)
    np.testing.assert_array_equal(labels == 0, weights == 0)
    assert centroids[0] == 0 and len(centroids) == 4
    assert np.all(centroids[1:] > 0)


@pytest.mark.parametrize("fill", [0.0, 2.5])
@pytest.mark.parametrize("keep_zeros", [False, True])
def test_fewer_values_than_clusters(fill, keep_zeros):
    weights = np.full((3, 3), fill)
    labels, centroids = weight_clusters(weights, 4, keep_zeros=keep_zeros)
    np.testing.assert_array_equal(centroids[labels], weights)


@pytest.mark.tensorflow_only
def test_linear_is_that_of_tfmot(weights):
    pytest.importorskip("tensorflow_model_optimization")
    from kerastl.export.quantization.quantized_activation import load_quantizers

    load_quantizers()
    from tensorflow_model_optimization.python.core.clustering.keras import (
        clustering_centroids,
    )

    theirs = clustering_centroids.LinearCentroidsInitialisation(weights, 9)
    np.testing.assert_allclose(
        _initial_centroids(weights.ravel(), 9, "linear"),
        theirs.get_cluster_centroids().numpy(),
        rtol=1e-5,
    )


def test_cluster_weights_copies():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(8, 3, name="conv"),
            keras.layers.DepthwiseConv2D(3, name="depthwise"),
        ]
    )
    before = model.get_weights()
    clustered = kerastl.surgery.cluster_weights(model, 6)
    kernel = keras.ops.convert_to_numpy(clustered.get_layer("conv").kernel)
    assert len(np.unique(kernel)) == 6
    assert np.abs(kernel - before[0]).max() < 0.1
    depthwise = clustered.get_layer("depthwise").kernel
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(depthwise), before[2]
    )
    for value, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)


def test_evenly_between_the_ends():
    found = _initial_centroids(VALUES, 6, "linear")
    np.testing.assert_allclose(found, [-2, 0, 2, 4, 6, 8])


def test_as_many_weights_between_each_two():
    found = _initial_centroids(VALUES, 3, "density")
    np.testing.assert_allclose(found, [-2, 1, 8])


@pytest.mark.parametrize("seed", [0, 5, [3, 4]])
def test_drawn_by_the_squared_distance_from_what_is_there(seed):
    generator = np.random.default_rng(seed)
    chosen = [generator.choice(VALUES)]
    for _ in range(2):
        square = np.min([(VALUES - each) ** 2 for each in chosen], axis=0)
        chosen.append(generator.choice(VALUES, p=square / square.sum()))
    found = _initial_centroids(VALUES, 3, "kmeans++", seed)
    np.testing.assert_array_equal(found, np.sort(chosen))


def test_without_a_seed_it_is_that_of_zero():
    found = _initial_centroids(VALUES, 4, "kmeans++")
    expected = _initial_centroids(VALUES, 4, "kmeans++", 0)
    np.testing.assert_array_equal(found, expected)


def test_fewer_values_than_centroids():
    found = _initial_centroids(np.array([1.0, 1.0, 3.0]), 4, "kmeans++")
    assert len(found) == 4 and set(found) == {1.0, 3.0}
    assert INITIALIZATIONS == ("linear", "density", "kmeans++")
