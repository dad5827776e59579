from typing import Any

import keras
from keras import ops


class PeriodCallback(keras.callbacks.Callback):
    """Base of callbacks that change a network between periods of training.

    With `E` epochs a period has `E // periods` of them; the last one takes
    the remainder, and nothing happens after it. A subclass implements
    `begin_period(epoch)`. It runs at the start of the first epoch of a
    period: what is saved or evaluated at the end of an epoch is always a
    trained network. What it draws comes from the epoch and the seed, so that
    a killed training that is resumed with the same seed draws the same.

    Args:
        periods: number of periods, at least 1.
        seed: seed of what is drawn. `None` takes one from Keras's global
            generator.

    Attributes:
        epochs: the epochs, counted from 0, that begin another period.

    Raises:
        ValueError: if `periods` is less than 1; at the start of `fit` if
            there are fewer epochs than periods.
    """

    def __init__(self, periods: int, seed: int | None = None) -> None:
        super().__init__()
        if not isinstance(periods, int) or periods < 1:
            raise ValueError(
                "`periods` must be a whole number of at least 1. "
                f"Received: periods={periods!r}"
            )
        self.periods = periods
        if seed is None:
            generator = keras.random.SeedGenerator()
            seed = int(ops.convert_to_numpy(generator.state)[0])
        self.seed = seed
        self.epochs = []

    @property
    def network(self) -> keras.Model:
        """The network that is trained; of a `FineTuner`, its student."""
        return getattr(self.model, "student", self.model)

    @property
    def period(self) -> int:
        """Epochs in each period but the last."""
        return self.params["epochs"] // self.periods

    def begin_period(self, epoch: int) -> None:
        """Changes the network, before epoch `epoch` is trained."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `begin_period(epoch)`."
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.params["epochs"] < self.periods:
            raise ValueError(
                "Every period has at least one epoch. Train longer, or take "
                "fewer periods. Received: "
                f"periods={self.periods}, epochs={self.params['epochs']}"
            )
        self.epochs = [
            self.period * number for number in range(1, self.periods)
        ]

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if epoch in self.epochs:
            self.begin_period(epoch)
