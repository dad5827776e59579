from typing import Any

import keras

from kerastl.schedules.sparsity_schedule import SparsitySchedule
from kerastl.schedules.sparsity_schedule import checked_sparsity


@keras.saving.register_keras_serializable(package="kerastl")
class ConstantSparsity(SparsitySchedule):
    """Prunes to the same sparsity from the first step on.

    The arguments and the steps are those of the class of this name in
    tensorflow-model-optimization.

    Args:
        target_sparsity: fraction of the weights to prune, below 1.
        begin_step: first step that prunes, counted by the optimizer.
        end_step: last step at which masks may change; -1 for no end.
        frequency: steps from one change of the masks to the next.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> schedule = kerastl.schedules.ConstantSparsity(0.5, begin_step=100)
    >>> schedule(200), schedule.last_change(250)
    (0.5, 200)
    """

    def __init__(
        self,
        target_sparsity: float,
        begin_step: int = 0,
        end_step: int = -1,
        frequency: int | None = 100,
    ) -> None:
        super().__init__(begin_step, end_step, frequency)
        self.target_sparsity = checked_sparsity(
            "target_sparsity", target_sparsity
        )

    def __call__(self, step: int) -> float:
        return self.target_sparsity

    def get_config(self) -> dict[str, Any]:
        return {
            "target_sparsity": self.target_sparsity,
            **super().get_config(),
        }
