"""Lets a network see more and more detail."""

import math
from typing import Any
from typing import Self

import keras

from kerastl.arguments import checked_number
from kerastl.layers.gaussian_smoothing_2d import GaussianSmoothing2D
from kerastl.surgery.graph import hidden_layers


class CurriculumSmoothing(keras.callbacks.Callback):
    """Lowers the width of a network's Gaussian filters from epoch to epoch.

    In epoch `t`, counted from 0, every `GaussianSmoothing2D` has the width
    `sigma * decay ** floor(t / every)`. From 0.2 downward the filter is the
    identity, with the published figures after 76 of 200 epochs. A short
    fine-tune needs a faster decay: `CurriculumSmoothing.scaled(epochs)` runs
    through the same widths in `epochs`.

    The width follows from the number of the epoch alone, so that a resumed
    training goes on right.

    Args:
        sigma: Width at the start, in pixels.
        decay: Factor of the width, in (0, 1].
        every: Epochs between two steps of the width; may be a fraction.

    Raises:
        ValueError: If an argument is out of range, or at the start of `fit`
            if the model has nothing to smooth.

    Example:

    ```python
    student = kerastl.surgery.add_curriculum_smoothing(student)
    curriculum = kerastl.callbacks.CurriculumSmoothing.scaled(epochs=20)
    student.compile("sgd", "sparse_categorical_crossentropy")
    student.fit(train, epochs=20, callbacks=[curriculum])
    ```

    Reference:
        Sinha, Garg and Larochelle, "Curriculum By Smoothing", NeurIPS 2020,
        section 3 and the published code.
    """

    #: Epochs of the published trainings.
    PUBLISHED_EPOCHS = 200

    def __init__(
        self, sigma: float = 1.0, decay: float = 0.9, every: float = 5
    ) -> None:
        super().__init__()
        self.sigma = checked_number("sigma", sigma, above=0)
        self.decay = checked_number("decay", decay, above=0, most=1)
        self.every = checked_number("every", every, above=0)

    @classmethod
    def scaled(cls, epochs: int, sigma: float = 1.0) -> Self:
        """The published curriculum, run through in `epochs` (assumed).

        Args:
            epochs: Number of epochs of the training.
            sigma: Width at the start, in pixels.
        """
        return cls(sigma, every=5 * epochs / cls.PUBLISHED_EPOCHS)

    def sigma_at(self, epoch: int) -> float:
        """The width in `epoch`, counted from 0."""
        # A step that falls on an epoch is not lost to rounding.
        steps = math.floor(epoch / self.every + 1e-9)
        return self.sigma * self.decay**steps

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self._layers():
            raise ValueError(
                "The model has nothing to smooth. Put filters in first: "
                "`kerastl.surgery.add_curriculum_smoothing(model)`. "
                f"Received: model={self.model.name!r}"
            )

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        for layer in self._layers():
            layer.sigma.assign(self.sigma_at(epoch))

    def _layers(self):
        return [
            layer
            for layer in hidden_layers(self.model)
            if isinstance(layer, GaussianSmoothing2D)
        ]
