"""Puts the weights of kernels into clusters, in one shot."""

from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np

from kerastl.arguments import checked_count
from kerastl.arguments import needed_seed
from kerastl.surgery.find_kernels import find_kernels
from kerastl.surgery.plain_weights import with_plain_weights
from kerastl.surgery.rebuild import copy_model

INITIALIZATIONS = ("linear", "density", "kmeans++")


def cluster_weights(
    model: keras.Model,
    num_clusters: int = 16,
    initialization: Literal["linear", "density", "kmeans++"] = "kmeans++",
    iterations: int = 10,
    keep_zeros: bool = False,
    layers: Sequence[str] | None = None,
    depthwise: bool = False,
    seed: int = 0,
    name: str | None = None,
) -> keras.Model:
    """Copies a network whose kernels have a few values only.

    Every kernel gets clusters of its own. Nothing is trained: let
    `kerastl.callbacks.WeightClustering` move the values while the network
    learns, or `KeepClusters` afterwards. Few values make a file smaller when
    it is zipped; it is as large as before on the device, and as fast.

    Args:
        model: A functional or built sequential `keras.Model`.
        num_clusters: Largest number of values in a kernel.
        initialization: First centroids: `"linear"`, `"density"` or
            `"kmeans++"`.
        iterations: Steps of k-means from there.
        keep_zeros: Whether the zeros of a pruned network stay zeros, as one
            of the values.
        layers: Names of the layers to cluster, at any depth. `None` takes
            every convolution and dense layer.
        depthwise: Whether depthwise kernels are clustered too.
        seed: Seed of `"kmeans++"`.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`.

    Raises:
        ValueError: If an argument is out of its range, or there is no such
            layer.

    Example:

    >>> clustered = kerastl.surgery.cluster_weights(model, num_clusters=16)

    Reference:
        Han, Mao and Dally, "Deep Compression", ICLR 2016, section 3.
    """
    check_clusters(num_clusters, initialization)
    seed = needed_seed("seed", seed)
    find_kernels(model, layers, depthwise)  # refuses what is not there
    clustered = copy_model(with_plain_weights(model), name=name)
    for kernel in find_kernels(clustered, layers, depthwise):
        labels, centroids = weight_clusters(
            kernel.numpy(),
            num_clusters,
            initialization,
            iterations,
            keep_zeros,
            seed,
        )
        kernel.variable.assign(centroids[labels])
    return clustered


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
        initialization: see `_initial_centroids`.
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
        centroids = _initial_centroids(values, number, initialization, seed)
        for _ in range(iterations):
            nearest = _nearest_centroids(values, centroids)
            sums = np.bincount(nearest, values, number)
            counts = np.bincount(nearest, minlength=number)
            # One that has no weights stays where it is.
            means = np.where(counts, sums / np.maximum(counts, 1), centroids)
            centroids = np.sort(means)
    labels[~kept] = 1 + _nearest_centroids(values, centroids)
    return labels, np.concatenate([[0.0], centroids])


def _nearest_centroids(values, centroids):
    """Index of the nearest of some sorted centroids, for every value."""
    return np.searchsorted((centroids[1:] + centroids[:-1]) / 2, values)


def check_clusters(num_clusters, initialization):
    """Refuses what weights cannot be clustered by."""
    checked_count("num_clusters", num_clusters, least=2)
    if initialization not in INITIALIZATIONS:
        raise ValueError(
            f"`initialization` must be one of {INITIALIZATIONS}. "
            f"Received: initialization={initialization!r}"
        )


def _initial_centroids(values, num_clusters, initialization, seed=0):
    """Chooses the first centroids of a set of weights.

    Args:
        values: 1D array of the weights.
        num_clusters: number of centroids.
        initialization: `"linear"` spaces them evenly between the smallest and
            the largest weight, `"density"` so that as many weights lie between
            each two, `"kmeans++"` draws them far from each other.
        seed: seed of the draws, a number or a list of them.

    Returns:
        Sorted array of `num_clusters` values.

    Reference:
        Han, Mao and Dally, "Deep Compression", ICLR 2016, section 3.2; Arthur
        and Vassilvitskii, "k-means++", SODA 2007.
    """
    if initialization == "linear":
        return np.linspace(values.min(), values.max(), num_clusters)
    if initialization == "density":
        return np.quantile(values, np.linspace(0, 1, num_clusters))
    return _far_apart(values, num_clusters, np.random.default_rng(seed))


def _far_apart(values, num_clusters, rng):
    centroids = [rng.choice(values)]
    distances = (values - centroids[0]) ** 2
    while len(centroids) < num_clusters:
        total = distances.sum()
        if not total:  # fewer values than centroids
            centroids.append(centroids[-1])
            continue
        centroids.append(rng.choice(values, p=distances / total))
        distances = np.minimum(distances, (values - centroids[-1]) ** 2)
    return np.sort(centroids)
