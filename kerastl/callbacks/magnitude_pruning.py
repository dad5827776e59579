from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

import keras
import numpy as np

from kerastl.callbacks.weight_callback import PruningConstraint
from kerastl.callbacks.weight_callback import WeightCallback
from kerastl.schedules.sparsity_schedules import ConstantSparsity
from kerastl.surgery.prune_weights import SCOPES
from kerastl.surgery.prune_weights import check_pattern
from kerastl.surgery.prune_weights import magnitude_masks

if TYPE_CHECKING:
    from kerastl.callbacks.weight_callback import HeldConstraint
    from kerastl.schedules.sparsity_schedules import SparsitySchedule
    from kerastl.surgery.find_kernels import Kernel


class MagnitudePruning(WeightCallback):
    """Sets the smallest weights to zero while a network trains.

    At the steps of the schedule the weights are ranked by magnitude and the
    smallest become zero. They stay exactly zero until the next ranking: a
    constraint inside the optimizer's step holds them, so momentum does not
    move them. After training they are plain zeros in plain layers; there is
    nothing to strip, and the saved model does not need kerastl.

    The change of the masks that is due after the last step is made when its
    epoch ends: a schedule that ends with the training reaches its end. If the
    training is too short for the schedule, a warning says at the start of
    `fit` how far it gets.

    What is pruned follows from the weights and the optimizer's count of
    steps. A training that was killed goes on with the same masks, if its
    optimizer is restored too.

    Zeros make a file smaller when it is zipped; the device needs as much
    memory and time as before unless its runtime has sparse kernels.
    `kerastl.surgery.prune_channels` makes networks faster.

    Works in `FineTuner`, on the student, and in plain `fit`. Adds `sparsity`,
    the fraction of zeros in the pruned kernels, to the logs of an epoch. On
    the JAX backend every change of the masks compiles the step anew: give the
    schedule a `frequency` of an epoch or so there.

    Args:
        schedule: a `kerastl.schedules.ConstantSparsity`,
            `PolynomialSparsity`, or a fraction for a constant sparsity from
            the first step on.
        scope: `"layer"` prunes the same fraction of every kernel,
            `"global"` the smallest weights of all kernels together.
        pattern: `(n, m)` keeps the `n` largest of every `m` neighbours along
            the input channels; of the schedule only the steps count then.
        layers: names of the layers to prune, at any depth. `None` takes every
            convolution and dense layer.
        depthwise: whether depthwise kernels are pruned too; they hold few of
            the weights, and suffer most.

    Raises:
        ValueError: if an argument is out of its range, and at the start of
            `fit` if there is no such layer.

    Example:

    ```python
    schedule = kerastl.schedules.PolynomialSparsity(0.0, 0.8, 0, 1000)
    pruning = kerastl.callbacks.MagnitudePruning(schedule)
    model.fit(train, epochs=20, callbacks=[pruning])
    ```

    Reference:
        Zhu and Gupta, "To prune, or not to prune: exploring the efficacy of
        pruning for model compression", 2017, section 3.
    """

    def __init__(
        self,
        schedule: SparsitySchedule | float,
        scope: Literal["layer", "global"] = "layer",
        pattern: tuple[int, int] | None = None,
        layers: Sequence[str] | None = None,
        depthwise: bool = False,
    ) -> None:
        super().__init__(layers, depthwise)
        if not callable(schedule):
            schedule = ConstantSparsity(schedule)
        if scope not in SCOPES:
            raise ValueError(
                f"`scope` must be one of {SCOPES}. Received: scope={scope!r}"
            )
        if pattern is not None:
            check_pattern(pattern)
        self.schedule = schedule
        self.scope = scope
        self.pattern = pattern
        self._changed = None
        self._first_step = 0
        self._first_epoch = True

    def make_constraint(self, kernel: Kernel) -> HeldConstraint | None:
        return PruningConstraint(np.ones(kernel.variable.shape, bool))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self._changed = None
        self._first_epoch = True

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        super().on_epoch_begin(epoch, logs)
        self._first_step = self._steps_taken()
        if self._first_epoch:
            self._first_epoch = False
            self._warn_if_short(epoch)
        self._update(self._first_step)

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._update(self._first_step + batch)

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        # What the next epoch would begin with: there may be none.
        self._update(self._steps_taken())
        # Asking for the model brings its weights up to date on JAX.
        if self.model is not None and logs is not None:
            weights = [kernel.numpy() for kernel in self.kernels]
            zeros = sum(w.size - np.count_nonzero(w) for w in weights)
            logs["sparsity"] = zeros / sum(w.size for w in weights)

    def _steps_taken(self):
        iterations = self.model.optimizer.iterations
        return int(keras.ops.convert_to_numpy(iterations))

    def _warn_if_short(self, epoch):
        if not self.params.get("steps"):
            return
        epochs = self.params["epochs"] - epoch
        last = self._first_step + epochs * self.params["steps"]
        change = self.schedule.last_change(last)
        reached = 0.0 if change is None else self.schedule(change)
        wanted = self.schedule(max(last, self.schedule.end_step))
        if change is None or (self.pattern is None and reached < wanted):
            warnings.warn(
                f"The training is over at step {last}, before the pruning: "
                f"{reached:.0%} of the weights will be zero, and the schedule "
                f"ends at {wanted:.0%}. Train longer, or give the schedule "
                "another `end_step`, or a `frequency` that divides the steps "
                "that it has (`None` chooses one). Received: "
                f"schedule={self.schedule.get_config()}",
                stacklevel=2,
            )

    def _update(self, step):
        change = self.schedule.last_change(step)
        if change == self._changed:
            return
        self._changed = change
        with self.strategy_scope():
            weights = [kernel.numpy() for kernel in self.kernels]
            masks = magnitude_masks(
                weights,
                self.schedule(change),
                self.scope,
                self.pattern,
                [kernel.input_axis for kernel in self.kernels],
            )
            for kernel, constraint, w, mask in zip(
                self.kernels, self.constraints, weights, masks, strict=True
            ):
                constraint.mask.assign(mask)
                kernel.variable.assign(np.where(mask, w, 0))
        if keras.backend.backend() == "jax":
            # There a constraint's variables are constants of the step.
            self.retrace()


class KeepZeros(WeightCallback):
    """Keeps the weights at zero that are zero when training begins.

    Fine-tunes a pruned network on without losing its sparsity, also after
    `kerastl.export.quantization_aware` (PQAT: the quantizers round zero to
    zero). The zeros are the memory: a training that was killed and goes on
    from its weights keeps the same ones.

    Works in `FineTuner`, on the student, and in plain `fit`.

    Args:
        layers: names of the layers, at any depth. `None` takes every
            convolution and dense layer, depthwise ones included. A kernel of
            zeros only is left to train.

    Raises:
        ValueError: at the start of `fit`, if no layer has that name.

    Example:

    ```python
    pruned = kerastl.surgery.prune_weights(model, sparsity=0.5)
    aware = kerastl.export.quantization_aware(pruned)
    aware.compile("adam", "sparse_categorical_crossentropy")
    aware.fit(train, epochs=2, callbacks=[kerastl.callbacks.KeepZeros()])
    ```
    """

    def __init__(self, layers: Sequence[str] | None = None) -> None:
        super().__init__(layers, depthwise=True)

    def make_constraint(self, kernel: Kernel) -> HeldConstraint | None:
        return PruningConstraint.of_zeros(kernel.numpy())
