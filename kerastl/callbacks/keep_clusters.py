from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerastl.callbacks.clustering_constraint import ClusteringConstraint
from kerastl.callbacks.pruning_constraint import PruningConstraint
from kerastl.callbacks.weight_callback import WeightCallback
from kerastl.surgery.weight_clusters import weight_clusters

if TYPE_CHECKING:
    from kerastl.callbacks.held_constraint import HeldConstraint
    from kerastl.surgery.find_kernels import Kernel


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
        self.max_clusters = max_clusters

    def make_constraint(self, kernel: Kernel) -> HeldConstraint | None:
        weights = kernel.numpy()
        number = len(np.unique(weights))
        if number > self.max_clusters:
            return PruningConstraint.of_zeros(weights)
        keep_zeros = bool(np.any(weights))
        labels, _ = weight_clusters(weights, number, keep_zeros=keep_zeros)
        return ClusteringConstraint(labels, number)
