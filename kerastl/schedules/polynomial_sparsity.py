from typing import Any

import keras

from kerastl.schedules.sparsity_schedule import SparsitySchedule
from kerastl.schedules.sparsity_schedule import checked_sparsity


@keras.saving.register_keras_serializable(package="kerastl")
class PolynomialSparsity(SparsitySchedule):
    """Prunes fast while many weights are to spare, then slower and slower.

    At step `t` the sparsity is `final + (initial - final) * (1 - p) ** power`
    with `p = (t - begin_step) / (end_step - begin_step)`, cut to 0 and 1. The
    arguments are those of `PolynomialDecay` in tensorflow-model-optimization,
    and so are the steps for a given `frequency`. Its default of 100 is not
    ours: with less than 100 steps nothing would be pruned.

    Args:
        initial_sparsity: fraction of the weights that the first step prunes.
        final_sparsity: fraction that is pruned from `end_step` on, below 1.
        begin_step: first step that prunes, counted by the optimizer.
        end_step: last step that prunes, after `begin_step`.
        power: exponent of the curve.
        frequency: steps from one change of the masks to the next. The final
            sparsity is reached if it divides `end_step - begin_step`. `None`
            takes what gives 20 changes, at most 100 steps, and always changes
            the masks at `end_step`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> schedule = kerastl.schedules.PolynomialSparsity(0.0, 0.8, 0, 1000)
    >>> round(schedule(500), 3)
    0.7

    Reference:
        Zhu and Gupta, "To prune, or not to prune: exploring the efficacy of
        pruning for model compression", 2017, section 3.
    """

    def __init__(
        self,
        initial_sparsity: float,
        final_sparsity: float,
        begin_step: int,
        end_step: int,
        power: float = 3,
        frequency: int | None = None,
    ) -> None:
        super().__init__(begin_step, end_step, frequency)
        if end_step <= begin_step:
            raise ValueError(
                "The sparsity rises from `begin_step` to `end_step`, which "
                "must come later. Received: "
                f"begin_step={begin_step}, end_step={end_step}"
            )
        self.initial_sparsity = checked_sparsity(
            "initial_sparsity", initial_sparsity
        )
        self.final_sparsity = checked_sparsity("final_sparsity", final_sparsity)
        self.power = power

    def __call__(self, step: int) -> float:
        place = (step - self.begin_step) / (self.end_step - self.begin_step)
        left = (1 - min(max(place, 0.0), 1.0)) ** self.power
        return (
            self.final_sparsity
            + (self.initial_sparsity - self.final_sparsity) * left
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_sparsity": self.initial_sparsity,
            "final_sparsity": self.final_sparsity,
            **super().get_config(),
            "power": self.power,
        }
