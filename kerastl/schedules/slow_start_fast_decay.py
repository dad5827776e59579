import math
from typing import Any
from typing import Literal

import keras
from keras import ops

from kerastl.arguments import checked_count
from kerastl.arguments import checked_number
from kerastl.types import Tensor

_DECAYS = ("cosine", "exponential")


@keras.saving.register_keras_serializable(package="kerastl")
class SlowStartFastDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises slowly to its peak and then falls fast.

    The rate rises on a line from `start` to `learning_rate` over the first
    `rise` of the steps and falls to `end` over the rest. It is meant for
    adversarial fine-tuning of a network that was trained on clean images:
    the slow start keeps what it knows, the fast decay ends before it
    overfits to the attack.

    The exact curve of the paper could not be read. The defaults are those of
    an independent public implementation, ten epochs at 1, 2, 3, 4, 5, 2.5, 1.25
    and so on down to 0.15625: second-hand, so they are assumed, and every part
    is an argument.

    Args:
        learning_rate: the rate at the peak.
        total_steps: training steps in all, at least 2.
        rise: part of the steps before the peak, above 0 and below 1.
        decay: `"exponential"` or `"cosine"`, the form of the fall.
        start: the rate at the first step. Defaults to a fifth of
            `learning_rate`.
        end: the rate at the last step, above 0 for an exponential fall.
            Defaults to a 64th of `learning_rate`.
        name: name of the schedule.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    ```python
    schedule = kerastl.schedules.SlowStartFastDecay(0.01, total_steps=1000)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9)
    ```

    Reference:
        Jeddi, Shafiee and Wong, "A Simple Fine-tuning Is All You Need:
        Towards Robust Deep Learning Via Adversarial Fine-tuning", 2020.
    """

    def __init__(
        self,
        learning_rate: float,
        total_steps: int,
        rise: float = 0.4,
        decay: Literal["exponential", "cosine"] = "exponential",
        start: float | None = None,
        end: float | None = None,
        name: str = "SlowStartFastDecay",
    ) -> None:
        super().__init__()
        learning_rate = checked_number("learning_rate", learning_rate)
        total_steps = checked_count("total_steps", total_steps)
        rise = checked_number("rise", rise)
        if start is None:
            start = learning_rate / 5
        if end is None:
            end = learning_rate / 64
        start = checked_number("start", start)
        end = checked_number("end", end)
        if total_steps < 2 or not 0 < rise < 1:
            raise ValueError(
                "The rate rises and falls: `rise` lies between 0 and 1, and "
                "there are at least 2 steps. Received: "
                f"rise={rise}, total_steps={total_steps}"
            )
        if decay not in _DECAYS:
            raise ValueError(
                f"`decay` must be one of {_DECAYS}. Received: decay={decay!r}"
            )
        lowest = min(start, end)
        if lowest < 0 or max(start, end) > learning_rate:
            raise ValueError(
                "`start` and `end` lie between 0 and the peak. Received: "
                f"learning_rate={learning_rate}, start={start}, end={end}"
            )
        if decay == "exponential" and not end > 0:
            raise ValueError(
                "An exponential fall never reaches 0. Pass a small `end`, or "
                f"`decay='cosine'`. Received: end={end}"
            )
        self.learning_rate = learning_rate
        self.total_steps = total_steps
        self.rise = rise
        self.decay = decay
        self.start = start
        self.end = end
        self.name = name

    def __call__(self, step: Tensor) -> Tensor:
        peak = self.rise * self.total_steps
        step = ops.cast(step, "float32")
        rising = self.start + (self.learning_rate - self.start) * (step / peak)
        place = ops.clip((step - peak) / (self.total_steps - peak), 0, 1)
        if self.decay == "cosine":
            height = 0.5 * (1.0 + ops.cos(math.pi * place))
            falling = self.end + (self.learning_rate - self.end) * height
        else:
            ratio = math.log(self.end / self.learning_rate)
            falling = self.learning_rate * ops.exp(ratio * place)
        return ops.where(step < peak, rising, falling)

    def get_config(self) -> dict[str, Any]:
        return {
            "learning_rate": self.learning_rate,
            "total_steps": self.total_steps,
            "rise": self.rise,
            "decay": self.decay,
            "start": self.start,
            "end": self.end,
            "name": self.name,
        }
