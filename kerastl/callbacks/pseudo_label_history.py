from typing import Any

import keras
import numpy as np

from kerastl.arguments import checked_count
from kerastl.data.batches import class_numbers
from kerastl.data.batches import labelled_batches
from kerastl.losses.pseudo_labels import PseudoLabels
from kerastl.types import Data


class PseudoLabelHistory(keras.callbacks.Callback):
    """Keeps, of every epoch, which pseudo-labels were believed.

    A network that teaches itself goes wrong unseen: it believes more and more
    of what it says of one class. This tells how many labels of each class
    `kerastl.losses.PseudoLabels` believed in an epoch, and, on images whose
    labels are known, how many of those that it would believe are right.

    Args:
        validation_data: Labelled images, as in `fit`, that are looked at after
            every epoch: one more forward pass. `None` asks nothing of them.
        batch_size: Images that are looked at together, of arrays.
        term: Name of the `PseudoLabels`, where the tuner has several.

    Attributes:
        epochs: List of a dict an epoch: `epoch`, from 1; `images`, how many
            unlabelled ones were looked at; `believed`, a list of the number of
            labels of each class. With validation data `validation_images`, and
            as lists by the class that was said `validation_believed` and
            `validation_right`. They are whole numbers, which JSON holds.

    Raises:
        ValueError: At the start of `fit`, if the model does not train with
            `PseudoLabels`, or with several and none is named; at the end of an
            epoch, if there are no validation images.

    Example:

    ```python
    history = kerastl.callbacks.PseudoLabelHistory(validation)
    tuner.compile(
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PseudoLabels(threshold=0.8)],
    )
    tuner.fit(
        kerastl.data.with_unlabelled(train, unlabelled), callbacks=[history]
    )
    last = history.epochs[-1]
    print(sum(last["believed"]) / last["images"])
    ```
    """

    def __init__(
        self,
        validation_data: Data | None = None,
        batch_size: int = 32,
        term: str | None = None,
    ) -> None:
        super().__init__()
        self.validation_data = validation_data
        self.batch_size = checked_count("batch_size", batch_size)
        self.term = term
        self.epochs = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        terms = [
            term
            for term in getattr(self.model, "transfer_losses", [])
            if isinstance(term, PseudoLabels) and self.term in (None, term.name)
        ]
        if not terms:
            raise ValueError(
                "There are no pseudo-labels to keep: pass `kerastl.losses."
                "PseudoLabels` to `FineTuner.compile(transfer_losses=...)`. "
                f"Received: model={self.model.name!r}, term={self.term!r}"
            )
        if len(terms) > 1:
            raise ValueError(
                "The tuner has several terms of pseudo-labels: name the one "
                "to keep, `term=...`. "
                f"Received: {[each.name for each in terms]}"
            )
        (self._term,) = terms

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._before = self._term.counts.read()

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        believed, images = (
            now - before
            for now, before in zip(
                self._term.counts.read(), self._before, strict=True
            )
        )
        found = {
            "epoch": epoch + 1,
            "images": images,
            "believed": believed.tolist(),
        }
        if self.validation_data is not None:
            found |= self._judge(len(believed))
        self.epochs.append(found)

    def _judge(self, classes):
        found = []
        with self._term.labelling():
            for images, labels in labelled_batches(
                self.validation_data, self.batch_size
            ):
                said, sure = self._term.label_batch(images)
                found.append((said, sure, class_numbers(labels) == said))
        if not found:
            raise ValueError(
                "There are no validation images to judge the pseudo-labels "
                "by. Pass some, or `validation_data=None`. "
                f"Received: {type(self.validation_data).__name__} without any"
            )
        said, sure, right = (
            np.concatenate(each) for each in zip(*found, strict=True)
        )
        return {
            "validation_images": len(said),
            **{
                f"validation_{name}": np.bincount(
                    said[which], minlength=classes
                ).tolist()
                for name, which in (("believed", sure), ("right", sure & right))
            },
        }
