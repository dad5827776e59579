"""A method, ready to run: one row of the table of recipes."""

from collections.abc import Callable
from dataclasses import dataclass

import keras


def nothing():
    """The factory of a recipe that adds no terms or callbacks."""
    return []


@dataclass(frozen=True)
class Recipe:
    """What a method does to a fine-tune, for Python and the command line.

    Losses, regularizers and callbacks keep state, so the row holds functions
    that make them fresh for every run.

    Args:
        name: Name in `apps.RECIPES`.
        title: Name to show.
        paper: Where the method was published.
        summary: One line that says what it does.
        uses_source: Whether a frozen source network runs beside the student.
        transfer_losses: Function that returns the list of transfer losses.
        regularizer: Function that returns the regularizer to attach to the
            student, or `None`.
        callbacks: Function that returns the list of callbacks.
        batch_norm: BatchNormalization policy of `kerastl.FineTuner`.
        trains: `False` if no gradient step is taken.
        trainable: `"all"`, or `"head"` to train the classifier only.
        learning_rate: Learning rate at the start, or `None` for the
            preset's.
        momentum: Momentum of SGD.
        exact: `"exact"` if the published formula is implemented as it is
            printed, `"assumed"` if parts of it could not be read.

    Example:

    ```python
    recipe = kerastl.apps.get_recipe("ktft")
    tuner = kerastl.FineTuner(student, source=source)
    tuner.compile(
        optimizer=recipe.optimizer(steps=1000, learning_rate=0.003),
        loss="sparse_categorical_crossentropy",
        transfer_losses=recipe.transfer_losses(),
    )
    ```
    """

    name: str
    title: str
    paper: str
    summary: str
    uses_source: bool = False
    transfer_losses: Callable = nothing
    regularizer: Callable | None = None
    callbacks: Callable = nothing
    batch_norm: str = "train"
    trains: bool = True
    trainable: str = "all"
    learning_rate: float | None = None
    momentum: float = 0.9
    exact: str = "exact"

    def optimizer(self, steps, learning_rate=None):
        """Makes the optimizer: SGD whose rate falls to zero as a cosine.

        Args:
            steps: Training steps in all epochs together.
            learning_rate: Learning rate at the start. Defaults to the
                recipe's; a recipe without one needs it here.

        Returns:
            A `keras.optimizers.SGD`.

        Raises:
            ValueError: If there is no learning rate or no step.
        """
        rate = self.learning_rate if learning_rate is None else learning_rate
        if rate is None:
            raise ValueError(
                f"The recipe '{self.name}' takes the learning rate of the "
                "preset. Pass `learning_rate=preset.learning_rate`. "
                "Received: learning_rate=None"
            )
        if steps < 1:
            raise ValueError(
                "`steps` must be the number of training steps, at least 1. "
                f"Received: steps={steps}"
            )
        return keras.optimizers.SGD(
            keras.optimizers.schedules.CosineDecay(rate, steps),
            momentum=self.momentum,
        )
