from typing import Any
from typing import Self

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
        if begin_step < 0 or (frequency is not None and frequency < 1):
            raise ValueError(
                "Pruning begins at step 0 or later, and at least 1 step lies "
                "between two changes of the masks. Received: "
                f"begin_step={begin_step}, frequency={frequency}"
            )
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
    """`value` as a float, which must be at least 0 and below 1."""
    if not 0 <= value < 1:
        raise ValueError(
            f"`{name}` is the fraction of weights that is pruned, at least 0 "
            f"and below 1. Received: {name}={value!r}"
        )
    return float(value)
