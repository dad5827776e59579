from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import keras

from kerastl.surgery.head_weights import head_weights
from kerastl.training.transfer_loss import TransferLoss
from kerastl.training.transfer_loss import embedding_units

if TYPE_CHECKING:
    from kerastl.fine_tuner import FineTuner


class SourceHeadLoss(TransferLoss):
    """Base of the terms that read the student's features with a source head.

    The head is a copy of the source's classifier in float32, a layer of the
    term: the student is not changed, and what is shipped has its own head
    only.

    Args:
        source: The source with its classifier. `None` where the weights come
            from a saved file.
        weight: As in `TransferLoss`.
        head_shape: Units and classes of the source's classifier; read from
            `source` where there is one.
        train_head: Whether the copy trains along.
        name: As in `TransferLoss`.

    Raises:
        ValueError: If there is neither a source nor a shape, or the source
            has no classifier.
    """

    needs_embedding = True

    def __init__(
        self,
        source: keras.Model | None,
        weight: float,
        head_shape: Sequence[int] | None,
        train_head: bool,
        name: str | None,
    ) -> None:
        super().__init__(weight, name=name)
        if source is None and head_shape is None:
            raise ValueError(
                f"{type(self).__name__} copies the classifier of the source. "
                "Pass the model: `source=...`. Received: source=None"
            )
        self._weights = source and head_weights(source)
        if self._weights:
            head_shape = self._weights[0].shape
        self.head_shape = tuple(int(size) for size in head_shape or ())
        self.train_head = bool(train_head)
        self.head = self.copy_head("source_head", trainable=self.train_head)

    def copy_head(self, name: str, trainable: bool) -> keras.layers.Dense:
        """A `Dense` layer of logits with the weights of the source's."""
        units, classes = self.head_shape
        layer = keras.layers.Dense(classes, dtype="float32", name=name)
        layer.build((None, units))
        layer.trainable = trainable
        if self._weights:
            layer.set_weights(self._weights)
        return layer

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [self.head]

    def build(self, tuner: FineTuner) -> None:
        units = embedding_units(tuner)
        if units != self.head_shape[0]:
            raise ValueError(
                f"The transfer loss {self.name!r} reads the student's features "
                "with the classifier of its source, which must be as many. "
                "Take the source that the student came from. Received: "
                f"student with {units} features at {tuner.embedding[0]!r}, "
                f"classifier of {self.head_shape[0]} features"
            )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["taps"], config["tap_weights"]
        return {
            **config,
            "head_shape": self.head_shape,
            "train_head": self.train_head,
        }
