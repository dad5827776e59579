from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from typing import Any

import keras

from kerastl.callbacks.held_constraint import HeldConstraint
from kerastl.surgery.find_kernels import find_kernels
from kerastl.surgery.plain_weights import is_plain

if TYPE_CHECKING:
    from kerastl.surgery.find_kernels import Kernel


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
        self.first_epoch = first_epoch
        self.layers = layers
        self.depthwise = depthwise
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
