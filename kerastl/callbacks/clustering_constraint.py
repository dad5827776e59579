import keras
import numpy as np
from keras import ops

from kerastl.callbacks.held_constraint import HeldConstraint


class ClusteringConstraint(HeldConstraint):
    """Gives the weights of a cluster one value, that of their mean.

    The mean of weights that were equal before a step moves by the mean of
    their steps: the centroid follows the mean gradient of its weights.

    Args:
        labels: array of the kernel's shape that numbers the clusters from 1;
            weights with 0 are held at zero.
        num_clusters: number of clusters, those held at zero not counted.
    """

    def __init__(self, labels, num_clusters):
        super().__init__()
        counts = np.bincount(labels.ravel(), minlength=num_clusters + 1)
        shares = 1 / np.maximum(counts, 1)
        shares[0] = 0

        def variable(value, dtype, name):
            return keras.Variable(
                value, dtype=dtype, trainable=False, name=name
            )

        self.labels = variable(labels, "int32", "cluster_labels")
        self.shares = variable(shares, "float32", "cluster_shares")

    def project(self, w):
        w = ops.convert_to_tensor(w)
        labels = ops.convert_to_tensor(self.labels)
        sums = ops.segment_sum(
            ops.reshape(w, (-1,)),
            ops.reshape(labels, (-1,)),
            num_segments=self.shares.shape[0],
        )
        centroids = sums * ops.convert_to_tensor(self.shares)
        return ops.cast(ops.take(centroids, labels), w.dtype)
