from typing import Any
from typing import Self

import keras

from kerastl.arguments import checked_count
from kerastl.arguments import checked_number
from kerastl.arguments import checked_probability

# Of a schedule that does not say how often masks change: so many times, but
# not more seldom than tensorflow-model-optimization does.
_CHANGES = 20
_LONGEST = 100


class SparsitySchedule:
    """Base of what says how many weights are pruned at which step.

    A subclass implements `__call__(step)` and `get_config()`. The masks
    change every `frequency` steps from `begin_step` on, up to `end_step`; in
    between they stay.

    Args:
        begin_step: first step that prunes, counted by the optimizer.
        end_step: last step at which masks may change; -1 for no end.
        frequency: steps from one change of the masks to the next. `None`
            takes what gives 20 changes, at most 100 and at least 1, and
            changes them at `end_step` as well: the last value of the schedule
            is always reached, however few steps there are.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self, begin_step: int, end_step: int, frequency: int | None
    ) -> None:
        begin_step = checked_count("begin_step", begin_step, least=0)
        end_step = checked_count("end_step", end_step, least=-1)
        if frequency is not None:
            frequency = checked_count("frequency", frequency)
        if end_step != -1 and end_step < begin_step:
            raise ValueError(
                "`end_step` must not lie before `begin_step`; -1 prunes to the "
                f"end. Received: begin_step={begin_step}, end_step={end_step}"
            )
        self.begin_step = begin_step
        self.end_step = end_step
        self.frequency = frequency

    def __call__(self, step: int) -> float:
        """Fraction of the weights that is zero from `step` on."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `__call__(step)`."
        )

    def last_change(self, step: int) -> int | None:
        """The step at or before `step` that changed the masks, or `None`.

        A training that goes on at `step` finds its masks with it.
        """
        if self.end_step != -1:
            step = min(step, self.end_step)
        past = step - self.begin_step
        if past < 0:
            return None
        if self.frequency is None and step == self.end_step:
            return step
        return step - past % self._interval()

    def _interval(self):
        if self.frequency is not None:
            return self.frequency
        if self.end_step == -1:
            return _LONGEST
        span = self.end_step - self.begin_step
        return min(max(span // _CHANGES, 1), _LONGEST)

    def get_config(self) -> dict[str, Any]:
        return {
            "begin_step": self.begin_step,
            "end_step": self.end_step,
            "frequency": self.frequency,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


def checked_sparsity(name, value) -> float:
    """The fraction of weights that is pruned, as a float."""
    return checked_probability(name, value, below_one=True)


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
        self.power = checked_number("power", power, above=0)

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
