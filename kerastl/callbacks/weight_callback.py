"""What pruning and clustering share: weights that are held while they train."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from typing import Any

import keras
import numpy as np
from keras import constraints
from keras import ops

from kerastl.arguments import checked_count
from kerastl.arguments import checked_flag
from kerastl.surgery.find_kernels import find_kernels
from kerastl.surgery.plain_weights import is_plain

if TYPE_CHECKING:
    from kerastl.surgery.find_kernels import Kernel


class HeldConstraint(constraints.Constraint):
    """Base of the constraints that a callback holds on weights in training.

    It runs inside the optimizer's step. A subclass implements
    `project(weights)`. It is never saved: the callback finds what it needs in
    the weights again.

    Args:
        inner: the constraint that the weight has of its own, or `None`; it is
            applied first.
    """

    def __init__(self, inner=None):
        self.inner = inner

    def __call__(self, w):
        if self.inner is not None:
            w = self.inner(w)
        return self.project(w)

    def project(self, w):
        """The weights as they may be."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `project(weights)`."
        )

    def attach(self, variable):
        """Puts the constraint on top of the one that a weight has.

        Raises:
            ValueError: If another callback holds the weight.
        """
        if isinstance(variable.constraint, HeldConstraint):
            raise ValueError(
                "Two callbacks of one training hold the same kernel. Prune "
                "first; `WeightClustering(keep_zeros=True)` or "
                "`KeepClusters()` keep the zeros in a training after that. "
                f"Received: kernel={variable.path!r}, held by "
                f"{type(variable.constraint).__name__}, and now by "
                f"{type(self).__name__}"
            )
        self.inner = variable.constraint
        variable.constraint = self

    @staticmethod
    def release(variable):
        """Leaves a weight the constraint of its own."""
        if isinstance(variable.constraint, HeldConstraint):
            variable.constraint = variable.constraint.inner


class PruningConstraint(HeldConstraint):
    """Keeps pruned weights at zero, whatever the optimizer does.

    Args:
        mask: boolean array, `True` where a weight is kept.
    """

    def __init__(self, mask):
        super().__init__()
        self.mask = keras.Variable(
            mask, dtype="bool", trainable=False, name="pruning_mask"
        )

    @classmethod
    def of_zeros(cls, weights):
        """The constraint that keeps zeros; `None` if all or none are."""
        mask = weights != 0
        if np.all(mask) or not np.any(mask):
            return None
        return cls(mask)

    def project(self, w):
        w = ops.convert_to_tensor(w)
        mask = ops.convert_to_tensor(self.mask)
        return ops.where(mask, w, ops.zeros_like(w))


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


class WeightCallback(keras.callbacks.Callback):
    """Base of the callbacks that hold kernels in some form while they train.

    A subclass implements `make_constraint(kernel)`, which is asked before the
    first epoch of that, when a training that is resumed has its weights back.

    Args:
        layers: names of the layers, at any depth. `None` takes every
            convolution and dense layer.
        depthwise: whether depthwise kernels are taken too.
        first_epoch: epoch, counted from 0, from which the kernels are held.
    """

    def __init__(
        self,
        layers: Sequence[str] | None = None,
        depthwise: bool = False,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.first_epoch = checked_count("first_epoch", first_epoch, least=0)
        self.layers = layers
        self.depthwise = checked_flag("depthwise", depthwise)
        self.kernels = []
        self.constraints = []

    @property
    def network(self) -> keras.Model:
        """The network that is trained; of a `FineTuner`, its student."""
        model = self.model
        return getattr(model, "student", model)

    def make_constraint(self, kernel: Kernel) -> HeldConstraint | None:
        """Returns the `HeldConstraint` of a kernel, `None` to leave it."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `make_constraint(kernel)`."
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.kernels, self.constraints = [], []
        network = self.network
        for kernel in find_kernels(network, self.layers, self.depthwise):
            if not is_plain(kernel.layer):
                raise ValueError(
                    "A kernel cannot be held where the layer computes with "
                    "another one than it stores: it is quantized, or has LoRA. "
                    f"Received: layer={kernel.layer.name!r}"
                )
        # A training that was interrupted has left its constraints behind.
        for kernel in find_kernels(network, depthwise=True):
            HeldConstraint.release(kernel.variable)

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self.kernels or epoch < self.first_epoch:
            return
        with self.strategy_scope():
            for kernel in find_kernels(
                self.network, self.layers, self.depthwise
            ):
                constraint = self.make_constraint(kernel)
                if constraint is not None:
                    self.kernels.append(kernel)
                    self.constraints.append(constraint)
                    constraint.attach(kernel.variable)
        self.retrace()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        for kernel in self.kernels:
            HeldConstraint.release(kernel.variable)
        self.kernels, self.constraints = [], []
        self.retrace()

    def strategy_scope(self) -> AbstractContextManager[Any]:
        """Where variables are made and assigned, under `tf.distribute`."""
        strategy = getattr(self.model, "distribute_strategy", None)
        return strategy.scope() if strategy else contextlib.nullcontext()

    def retrace(self) -> None:
        """Lets the next training step see the constraints as they are."""
        self.model.make_train_function(force=True)
