"""What the functions of a recipe may look at."""

from dataclasses import dataclass
from dataclasses import field
from typing import Any

import keras


@dataclass
class Setting:
    """One training to come: a recipe's functions get it.

    Args:
        student: The network to train, its head in place.
        source: The network that it came from, or `None`.
        data: An `apps.ImageData`; `None` where a recipe does not look at it.
        epochs: Number of epochs.
        steps_per_epoch: Training steps in an epoch.
        learning_rate: Learning rate at the start. `None` takes the recipe's.
        seed: Seed of what the method draws.
        strength: Factor of the weights of the method's terms and penalty.
        source_classes: Names of the source's classes; `None` where they are
            not known.
        findings: What the method found out about the data, for the report.
        validates: Whether the validation part is looked at in training.
        by_epoch: Lists of what a method's callbacks note at the end of every
            epoch, a dict with its number as `epoch`, for the report. A
            training that goes on has those before. At the end they are among
            the findings, as `by_epoch`.
    """

    student: keras.Model
    source: keras.Model | None
    data: Any
    epochs: int
    steps_per_epoch: int
    learning_rate: float | None = None
    seed: int = 0
    strength: float = 1.0
    source_classes: list | None = None
    findings: dict = field(default_factory=dict)
    validates: bool = True
    by_epoch: dict = field(default_factory=dict)

    @property
    def validation(self):
        """Batches of the validation part; `None` if it is not looked at."""
        return self.data.validation if self.validates else None

    @property
    def flips(self):
        """Whether images may be mirrored: whether the data's are."""
        augmentation = self.data.augmentation
        return augmentation is not None and augmentation.flip

    @property
    def steps(self):
        """Training steps in all epochs together."""
        return self.epochs * self.steps_per_epoch
