"""What a transfer loss is, and what several of them compute."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple
from typing import Self

import keras
from keras import ops

from kerastl.arguments import as_names
from kerastl.arguments import checked_weight
from kerastl.arguments import several
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.types import TapWeights
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.fine_tuner import FineTuner


class TransferStep(NamedTuple):
    """Everything a transfer loss may look at in one training step.

    Args:
        x: The images of the batch, as `fit` received them.
        y: The labels; `None` for unlabelled images.
        predictions: What the student predicts for `x`.
        sample_weight: The weights of the examples, or `None`.
        student: Dict from tap name to the student's feature tensor.
        source: Dict from tap name to the source's feature tensor, without
            gradient. Empty when the tuner has no source.
        student_embedding: What the student's head reads, `(batch, units)`; a
            feature map is averaged over space.
        source_embedding: The same of the source, without gradient; `None`
            when the tuner has no source.
        index: Position of each image in the training set, or `None` when the
            data does not say.
        unlabelled: A `TransferStep` of the batch's unlabelled images, or
            `None` when it has none.
        unchanged: The unlabelled images as `fit` received them, where a term
            has put others in their place, which `x` is then; else `None`.
    """

    x: Any
    y: Any
    predictions: Any
    sample_weight: Any
    student: dict
    source: dict
    student_embedding: Any = None
    source_embedding: Any = None
    index: Any = None
    unlabelled: Any = None
    unchanged: Any = None


@keras.saving.register_keras_serializable(package="kerastl")
class TransferLoss:
    """Base of the terms that `FineTuner` adds to the training loss.

    A subclass implements `call(student, source)` and returns the term as a
    scalar, not multiplied by `weight`: `FineTuner` multiplies, and shows the
    bare value, so that the same term reads alike at every weight. A term
    that needs labels or predictions overrides `compute(step)` instead; one
    that trains on other labels than the data's overrides `change_target`,
    one that trains on other images `change_images` or, of the unlabelled
    ones, `change_unlabelled`.

    Weights of a term (attention, a relation of classes, a second head) live
    in Keras layers that it lists in `layers`: the tuner trains those that are
    trainable and saves them all. They are made in the constructor, or in
    `build(tuner)` from the models at hand.

    Args:
        weight: Non-negative float, the factor of the term in the total loss.
        taps: Names of the taps to compare, a subset of the tuner's.
            `None` takes them all.
        tap_weights: Factor of each tap inside the term: a dict by tap name
            (a missing tap counts 1), or a list in the order of `taps`.
        name: Name in the progress bar and in `History`. Defaults to the
            class name in snake case.

    Raises:
        ValueError: If a weight is negative, infinite or not a number, or if
            `tap_weights` does not fit `taps`.

    Example:

    ```python
    @keras.saving.register_keras_serializable(package="mine")
    class AbsoluteDifference(kerastl.losses.TransferLoss):
        def call(self, student, source):
            return sum(
                self.tap_weight(tap)
                * keras.ops.mean(keras.ops.abs(student[tap] - source[tap]))
                for tap in student
            )
    ```
    """

    #: Whether the term reads the source's features.
    needs_source = True
    #: Whether the term reads `student_embedding` or `source_embedding`.
    needs_embedding = False
    #: Whether the term reads `index`, the images' places in the training set.
    needs_index = False
    #: Whether the term reads `unlabelled` images.
    needs_unlabelled = False
    #: Whether `change_target` is overridden. Labels are one-hot then.
    changes_target = False
    #: Whether `change_images` is overridden.
    changes_images = False
    #: Whether `change_unlabelled` is overridden.
    changes_unlabelled = False

    def __init__(
        self,
        weight: float = 1.0,
        taps: Sequence[str] | None = None,
        tap_weights: TapWeights | None = None,
        name: str | None = None,
    ) -> None:
        self.weight = checked_weight("weight", weight)
        self.taps = None if taps is None else as_names(taps)
        in_order = several(tap_weights)
        factors: Any = {} if tap_weights is None else tap_weights
        if in_order is not None:
            if self.taps is None or len(in_order) != len(self.taps):
                raise ValueError(
                    "A list of `tap_weights` needs `taps` of the same length, "
                    "so that each weight has its tap. Pass `taps`, or a dict "
                    "from tap name to weight. "
                    f"Received: tap_weights={tap_weights}, taps={taps}"
                )
            factors = dict(zip(self.taps, in_order, strict=True))
        self.tap_weights = {
            tap: checked_weight(f"tap_weights[{tap!r}]", value)
            for tap, value in factors.items()
        }
        unknown = [
            tap
            for tap in self.tap_weights
            if self.taps is not None and tap not in self.taps
        ]
        if unknown:
            raise ValueError(
                "`tap_weights` names taps that the loss does not compare. "
                f"Received: tap_weights for {unknown}, taps={self.taps}"
            )
        self.name = name or _snake_case(type(self).__name__)

    def tap_weight(self, tap: str) -> float:
        """The factor of one tap inside the term."""
        return self.tap_weights.get(tap, 1.0)

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The layers that hold the term's own weights."""
        return []

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Keras metrics of the training that the term updates by itself."""
        return []

    @property
    def frozen_models(self) -> list[keras.Model]:
        """The models among `layers` that no training changes."""
        return []

    def build(self, tuner: FineTuner) -> None:
        """Prepares the term for `tuner`, a `FineTuner` being compiled."""

    def change_images(
        self, images: Tensor, y: Tensor, student: keras.Model
    ) -> Tensor:
        """The images to train on instead of `images`; `y` is one-hot."""
        return images

    def change_unlabelled(self, images: Tensor) -> Tensor:
        """The unlabelled images to train on instead of `images`."""
        return images

    def change_target(self, y: Tensor, step: TransferStep) -> Tensor:
        """The labels to train on instead of the one-hot `y`."""
        return y

    def call(
        self, student: dict[str, Tensor], source: dict[str, Tensor]
    ) -> Tensor:
        """The term as a scalar, from two dicts of features by tap name."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `call(student, source)` "
            "or override `compute(step)`."
        )

    def compute(self, step: TransferStep) -> Tensor:
        """The term as a scalar for one `TransferStep`."""
        taps = self.taps if self.taps is not None else list(step.student)
        return self.call(
            {tap: step.student[tap] for tap in taps},
            {tap: step.source[tap] for tap in taps if tap in step.source},
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "weight": self.weight,
            "taps": self.taps,
            "tap_weights": self.tap_weights,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


def _snake_case(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class LabelChange(TransferLoss):
    """Base of the terms that change labels and add nothing to the loss.

    Args:
        name: As in `TransferLoss`.
    """

    needs_source = False
    changes_target = True

    def __init__(self, name: str | None = None) -> None:
        super().__init__(weight=0.0, name=name)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


def embedding_units(tuner):
    """Units of `TransferStep.student_embedding` for a `FineTuner`."""
    tap = tuner.embedding[0]
    shape = feature_extractor(tuner.student, [tap]).output[tap].shape
    if len(shape) == 4 and keras.config.image_data_format() == "channels_first":
        return shape[1]
    return shape[-1]


def batch_mean(values, sample_weight=None):
    """The mean over the batch of `values`, each at its sample weight.

    Args:
        values: float32 `(batch,)`.
        sample_weight: Weights of the examples, `(batch,)` or `(batch, 1)`, or
            `None`.
    """
    if sample_weight is not None:
        weight = ops.cast(sample_weight, values.dtype)
        values = values * ops.reshape(weight, (-1,))
    return ops.mean(values)
