from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Literal

import numpy as np

from kerastl.arguments import checked_count
from kerastl.arguments import checked_flag
from kerastl.arguments import needed_seed
from kerastl.callbacks.weight_callback import ClusteringConstraint
from kerastl.callbacks.weight_callback import PruningConstraint
from kerastl.callbacks.weight_callback import WeightCallback
from kerastl.surgery.cluster_weights import check_clusters
from kerastl.surgery.cluster_weights import weight_clusters

if TYPE_CHECKING:
    from kerastl.callbacks.weight_callback import HeldConstraint
    from kerastl.surgery.find_kernels import Kernel


class WeightClustering(WeightCallback):
    """Lets every kernel have a few values only, and trains those.

    Before `first_epoch` the weights of every kernel are put into clusters,
    and each gets the value of its centroid. In training a centroid follows
    the mean gradient of its weights, inside the optimizer's step; which
    weight belongs to which cluster stays. After training the kernels are
    plain weights with at most `num_clusters` values; there is nothing to
    strip, and the saved model does not need kerastl. A training that was
    killed finds the clusters in the weights again.

    tensorflow-model-optimization keeps the unclustered weights beside the
    centroids, trains them too and assigns them anew in every step; with its
    `GradientAggregation.AVG` and SGD the centroids move as they do here as
    long as no weight changes its cluster.

    Few values make a file smaller when it is zipped; the device needs as much
    memory and time as before.

    Works in `FineTuner`, on the student, and in plain `fit`.

    Args:
        num_clusters: largest number of values in a kernel, at least 2.
        initialization: first centroids: `"linear"` spaces them evenly,
            `"density"` puts as many weights between each two, `"kmeans++"`
            draws them far from each other.
        iterations: steps of k-means from there.
        keep_zeros: whether the zeros of a pruned network stay zeros, as one
            of the values.
        layers: names of the layers, at any depth. `None` takes every
            convolution and dense layer.
        depthwise: whether depthwise kernels are clustered too.
        seed: seed of `"kmeans++"`.
        first_epoch: epoch, counted from 0, before which the weights are put
            into clusters; until then they train freely, as a new head must.

    Raises:
        ValueError: if an argument is out of its range, and at the start of
            `fit` if there is no such layer.

    Example:

    ```python
    clustering = kerastl.callbacks.WeightClustering(num_clusters=16)
    model.fit(train, epochs=5, callbacks=[clustering])
    ```

    Reference:
        Han, Mao and Dally, "Deep Compression: Compressing Deep Neural
        Networks with Pruning, Trained Quantization and Huffman Coding", ICLR
        2016, section 3.
    """

    def __init__(
        self,
        num_clusters: int = 16,
        initialization: Literal["linear", "density", "kmeans++"] = "kmeans++",
        iterations: int = 10,
        keep_zeros: bool = False,
        layers: Sequence[str] | None = None,
        depthwise: bool = False,
        seed: int = 0,
        first_epoch: int = 0,
    ) -> None:
        super().__init__(layers, depthwise, first_epoch)
        check_clusters(num_clusters, initialization)
        self.num_clusters = num_clusters
        self.initialization = initialization
        self.iterations = checked_count("iterations", iterations)
        self.keep_zeros = checked_flag("keep_zeros", keep_zeros)
        self.seed = needed_seed("seed", seed)

    def make_constraint(self, kernel: Kernel) -> HeldConstraint | None:
        labels, centroids = weight_clusters(
            kernel.numpy(),
            self.num_clusters,
            self.initialization,
            self.iterations,
            self.keep_zeros,
            self.seed,
        )
        kernel.variable.assign(centroids[labels])
        return ClusteringConstraint(labels, len(centroids) - 1)


class KeepClusters(WeightCallback):
    """Lets weights that are equal when training begins stay equal.

    Fine-tunes a clustered network on, its values moving and its clusters as
    they are; also after `kerastl.export.quantization_aware(model,
    per_channel=False)` (CQAT), whose file then has no more integers in a
    kernel than the kernel has values. Zeros stay zeros, so this keeps a
    network that is pruned and clustered (PCQAT).

    Works in `FineTuner`, on the student, and in plain `fit`.

    Args:
        max_clusters: kernels with more values are not clustered and train
            freely but for their zeros.
        layers: names of the layers, at any depth. `None` takes every
            convolution and dense layer, depthwise ones included.

    Raises:
        ValueError: at the start of `fit`, if no layer has that name.

    Example:

    ```python
    clustered = kerastl.surgery.cluster_weights(model, num_clusters=16)
    aware = kerastl.export.quantization_aware(clustered, per_channel=False)
    aware.compile("adam", "sparse_categorical_crossentropy")
    aware.fit(train, epochs=2, callbacks=[kerastl.callbacks.KeepClusters()])
    ```
    """

    def __init__(
        self, max_clusters: int = 256, layers: Sequence[str] | None = None
    ) -> None:
        super().__init__(layers, depthwise=True)
        self.max_clusters = checked_count("max_clusters", max_clusters)

    def make_constraint(self, kernel: Kernel) -> HeldConstraint | None:
        weights = kernel.numpy()
        number = len(np.unique(weights))
        if number > self.max_clusters:
            return PruningConstraint.of_zeros(weights)
        keep_zeros = bool(np.any(weights))
        labels, _ = weight_clusters(weights, number, keep_zeros=keep_zeros)
        return ClusteringConstraint(labels, number)
