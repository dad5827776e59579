"""Where the centroids of a kernel's weights start."""

import numpy as np

INITIALIZATIONS = ("linear", "density", "kmeans++")


def initial_centroids(values, num_clusters, initialization, seed=0):
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
