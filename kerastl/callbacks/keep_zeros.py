from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kerastl.callbacks.pruning_constraint import PruningConstraint
from kerastl.callbacks.weight_callback import WeightCallback

if TYPE_CHECKING:
    from kerastl.callbacks.held_constraint import HeldConstraint
    from kerastl.surgery.find_kernels import Kernel


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
