"""What can be asked of a training, whatever the method."""

from __future__ import annotations

from dataclasses import dataclass

from kerastl.arguments import checked_choice
from kerastl.arguments import checked_count
from kerastl.arguments import checked_number

#: Which weights ship.
KEEPS = ("last", "best", "average")


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained, beside what its method does.

    Args:
        keep: The weights that ship: `"last"`, those after the last epoch (of
            a method that averages, their average); `"best"`, those of the
            epoch with the highest validation accuracy, of several the one
            with the lowest validation loss; `"average"`, the exponential
            average over half of a training at a steady rate, as
            `averaged_imprinting` does. `None` is `"best"` with `patience`,
            else `"last"`.
        patience: Epochs without a better one after which the training ends.
            `None` trains to the end.
        label_smoothing: Share of every label that is spread over all classes,
            as in `keras.losses.CategoricalCrossentropy`.
        head_learning_rate: Learning rate of the classifier, as a multiple of
            the other layers'.

    Raises:
        ValueError: If a value is out of range.
    """

    keep: str | None = None
    patience: int | None = None
    label_smoothing: float = 0.0
    head_learning_rate: float = 1.0

    def __post_init__(self) -> None:
        keep = self.keep
        if keep is None:
            keep = "last" if self.patience is None else "best"
        patience = self.patience
        if patience is not None:
            patience = checked_count("patience", patience)
        for name, value in (
            ("keep", checked_choice("keep", keep, KEEPS)),
            ("patience", patience),
            (
                "label_smoothing",
                checked_number(
                    "label_smoothing", self.label_smoothing, least=0, below=1
                ),
            ),
            (
                "head_learning_rate",
                checked_number(
                    "head_learning_rate", self.head_learning_rate, above=0
                ),
            ),
        ):
            object.__setattr__(self, name, value)

    @property
    def selects(self) -> bool:
        """Whether validation images decide which weights ship, or when."""
        return self.keep == "best" or self.patience is not None
