"""Weight clustering in one shot."""

from collections.abc import Sequence
from typing import Literal

import keras

from kerastl.surgery.copy_model import copy_model
from kerastl.surgery.find_kernels import find_kernels
from kerastl.surgery.plain_weights import with_plain_weights
from kerastl.surgery.weight_clusters import check_clusters
from kerastl.surgery.weight_clusters import weight_clusters


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
