from typing import Any
from typing import Self

import keras
from keras import ops

from kerastl.arguments import checked_count
from kerastl.arguments import checked_number
from kerastl.arguments import checked_weight
from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class ScaledSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A part of another learning rate, perhaps from a later step on.

    For weights that learn more slowly than the others, or not yet. A rate of
    zero is what freezes weights within one `fit`: it is an ordinary value in
    the compiled step, where `trainable=False` would need another one.

    Args:
        schedule: a `LearningRateSchedule`, or a number.
        factor: what it is multiplied by, at least 0.
        start: first step with a rate; it is 0 before.
        name: name of the schedule.

    Raises:
        ValueError: if `factor` or `start` is negative.

    Example:

    >>> schedule = keras.optimizers.schedules.CosineDecay(0.1, 1000)
    >>> slower = kerastl.schedules.ScaledSchedule(schedule, 0.5, start=100)
    >>> float(slower(99)), float(slower(0)) == 0.0
    (0.0, True)
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule | float,
        factor: float = 1.0,
        start: int = 0,
        name: str = "ScaledSchedule",
    ) -> None:
        super().__init__()
        if not callable(schedule):
            schedule = checked_number("schedule", schedule)
        self.schedule = schedule
        self.factor = checked_weight("factor", factor)
        self.start = checked_count("start", start, least=0)
        self.name = name

    def __call__(self, step: Tensor) -> Tensor:
        rate = self.schedule
        if callable(rate):
            rate = rate(step)
        rate = ops.cast(rate, "float32") * self.factor
        return ops.where(step < self.start, ops.zeros_like(rate), rate)

    def get_config(self) -> dict[str, Any]:
        schedule = self.schedule
        if callable(schedule):
            schedule = keras.saving.serialize_keras_object(schedule)
        return {
            "schedule": schedule,
            "factor": self.factor,
            "start": self.start,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        if isinstance(config["schedule"], dict):
            config["schedule"] = keras.saving.deserialize_keras_object(
                config["schedule"]
            )
        return cls(**config)
