import math
from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_count
from kerastl.arguments import checked_number
from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class CyclicCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that falls along a cosine and restarts, `periods` times.

    In step `t` of a period of `u` steps the rate is
    `minimum + (learning_rate - minimum) / 2 * (1 + cos(pi * t / u))`. Unlike
    `keras.optimizers.schedules.CosineDecayRestarts` it knows its end: the
    last period takes the steps that the others leave, and the rate stays at
    `minimum` afterwards.

    Args:
        learning_rate: the rate at the start of every period.
        total_steps: training steps in all.
        periods: number of periods, at most `total_steps`.
        period: steps in each period but the last. Defaults to
            `total_steps // periods`.
        minimum: the rate at the end of a period.
        first_step: the step of the optimizer that counts as step 0.
        name: name of the schedule.

    Raises:
        ValueError: if the periods do not fit into the steps, or a rate is
            negative.

    Example:

    ```python
    schedule = kerastl.schedules.CyclicCosine(0.01, total_steps=400, periods=4)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9)
    ```

    Reference:
        Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm
        Restarts", ICLR 2017, section 3.
    """

    def __init__(
        self,
        learning_rate: float,
        total_steps: int,
        periods: int = 4,
        period: int | None = None,
        minimum: float = 0.0,
        first_step: int = 0,
        name: str = "CyclicCosine",
    ) -> None:
        super().__init__()
        periods = checked_count("periods", periods)
        total_steps = checked_count("total_steps", total_steps)
        if total_steps < periods:
            raise ValueError(
                "Every period has at least one step. Received: "
                f"periods={periods}, total_steps={total_steps}"
            )
        if period is None:
            period = total_steps // periods
        period = checked_count("period", period)
        if period * (periods - 1) >= total_steps:
            raise ValueError(
                "The periods do not fit into the training: all but the last "
                f"take {(periods - 1) * period} steps together. Received: "
                f"period={period}, periods={periods}, "
                f"total_steps={total_steps}"
            )
        learning_rate = checked_number("learning_rate", learning_rate)
        minimum = checked_number("minimum", minimum)
        if not 0 <= minimum <= learning_rate:
            raise ValueError(
                "The rate falls from `learning_rate` to `minimum`, which is "
                "at least 0. Received: "
                f"learning_rate={learning_rate}, minimum={minimum}"
            )
        self.learning_rate = learning_rate
        self.total_steps = total_steps
        self.periods = periods
        self.period = period
        self.minimum = minimum
        self.first_step = checked_count("first_step", first_step, least=0)
        self.name = name

    def __call__(self, step: Tensor) -> Tensor:
        step = ops.maximum(ops.cast(step, "float32") - self.first_step, 0.0)
        before = self.period * (self.periods - 1)
        in_last = step >= before
        place = ops.where(
            in_last,
            (step - before) / (self.total_steps - before),
            ops.mod(step, self.period) / self.period,
        )
        place = ops.minimum(place, 1.0)
        height = 0.5 * (1.0 + ops.cos(math.pi * place))
        return self.minimum + (self.learning_rate - self.minimum) * height

    def get_config(self) -> dict[str, Any]:
        return {
            "learning_rate": self.learning_rate,
            "total_steps": self.total_steps,
            "periods": self.periods,
            "period": self.period,
            "minimum": self.minimum,
            "first_step": self.first_step,
            "name": self.name,
        }
