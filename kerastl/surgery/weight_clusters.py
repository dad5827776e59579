"""Puts the weights of a kernel into clusters."""

import numpy as np

from kerastl.surgery.initial_centroids import INITIALIZATIONS
from kerastl.surgery.initial_centroids import initial_centroids


def weight_clusters(
    weights,
    num_clusters,
    initialization="kmeans++",
    iterations=10,
    keep_zeros=False,
    seed=0,
):
    """Finds clusters of weights in one dimension.

    Weights that have at most so many values already keep them.

    Args:
        weights: array of any shape.
        num_clusters: largest number of values to have after that.
        initialization: see `initial_centroids`.
        iterations: how often every centroid moves to the mean of the weights
            that are nearest to it.
        keep_zeros: whether zero is one of the values, for the zeros alone.
        seed: seed of `"kmeans++"`.

    Returns:
        Array of the shape of `weights` that numbers the clusters from 1, with
        0 for zeros that are kept, and the array of centroids, of which the
        first is zero.

    Raises:
        ValueError: if an argument is out of its range.
    """
    check_clusters(num_clusters, initialization)
    weights = np.asarray(weights, "float64")
    kept = (weights == 0) if keep_zeros else np.zeros(weights.shape, bool)
    values = weights[~kept]
    number = num_clusters - bool(kept.any())
    labels = np.zeros(weights.shape, "int32")
    if not values.size:
        return labels, np.zeros(1)
    centroids = np.unique(values)
    if centroids.size > number:
        centroids = initial_centroids(values, number, initialization, seed)
        for _ in range(iterations):
            nearest = nearest_centroids(values, centroids)
            sums = np.bincount(nearest, values, number)
            counts = np.bincount(nearest, minlength=number)
            # One that has no weights stays where it is.
            means = np.where(counts, sums / np.maximum(counts, 1), centroids)
            centroids = np.sort(means)
    labels[~kept] = 1 + nearest_centroids(values, centroids)
    return labels, np.concatenate([[0.0], centroids])


def nearest_centroids(values, centroids):
    """Index of the nearest of some sorted centroids, for every value."""
    return np.searchsorted((centroids[1:] + centroids[:-1]) / 2, values)


def check_clusters(num_clusters, initialization):
    """Refuses what weights cannot be clustered by."""
    if num_clusters < 2:
        raise ValueError(
            "Weights are clustered to at least 2 values. "
            f"Received: num_clusters={num_clusters}"
        )
    if initialization not in INITIALIZATIONS:
        raise ValueError(
            f"`initialization` must be one of {INITIALIZATIONS}. "
            f"Received: initialization={initialization!r}"
        )
