from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastl.data.batches import one_hot
from kerastl.losses.source_head_loss import SourceHeadLoss
from kerastl.surgery.class_outputs import check_classes
from kerastl.training.transfer_loss import batch_mean
from kerastl.types import Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from kerastl.fine_tuner import FineTuner
    from kerastl.training.transfer_loss import TransferStep

_TOLERANCE = 1e-3


@keras.saving.register_keras_serializable(package="kerastl")
class CoTuning(SourceHeadLoss):
    """Co-Tuning: the source's head trains too, on translated labels.

    Every target class stands for a distribution over the source classes, a
    row of the relation `R`. The source's head, a copy that trains along,
    learns to give that distribution from the student's features: the mean
    over the batch of the cross-entropy

        - sum_s R[y, s] * log p_s(x)

    The source itself does not run in training.

    Args:
        source: The source with its classifier. `None` where the weights come
            from a saved file.
        relation: `R`, an array `(target classes, source classes)` whose rows
            sum to 1, see `kerastl.losses.class_relation`.
        weight: Factor of the term in the total loss.
        head_shape: Units and classes of the classifier; read from `source`.
        num_classes: Target classes; read from `relation`.
        train_head: Whether the copy of the head trains along.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If the source has no classifier, or the relation does not
            fit it; at `compile`, if student and relation do not fit, or the
            student predicts numbers.

    Example:

    ```python
    relation = kerastl.losses.class_relation(source, train)
    tuner = kerastl.FineTuner(student)
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.CoTuning(source, relation)],
    )
    ```

    Reference:
        You et al., "Co-Tuning for Transfer Learning", NeurIPS 2020,
        section 3.
    """

    needs_source = False

    def __init__(
        self,
        source: keras.Model | None = None,
        relation: ArrayLike | None = None,
        weight: float = 2.3,
        head_shape: Sequence[int] | None = None,
        num_classes: int | None = None,
        train_head: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(source, weight, head_shape, train_head, name)
        if relation is not None:
            relation = _checked_relation(relation, self.head_shape[1])
            num_classes = len(relation)
        elif num_classes is None:
            raise ValueError(
                "Co-Tuning needs the relation of target and source classes. "
                "Pass `relation=kerastl.losses.class_relation(source, data)`. "
                "Received: relation=None"
            )
        self.num_classes = int(num_classes)
        self._store = keras.layers.Layer(name="class_relation")
        self.relation = self._store.add_weight(
            name="relation",
            shape=(self.num_classes, self.head_shape[1]),
            initializer="zeros",
            dtype="float32",
            autocast=False,
            trainable=False,
        )
        if relation is not None:
            self.relation.assign(relation)

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [self.head, self._store]

    def build(self, tuner: FineTuner) -> None:
        super().build(tuner)
        check_classes(tuner.student, tuner.loss)
        classes = tuner.student.output_shape[-1]
        if classes != self.num_classes:
            raise ValueError(
                "Co-Tuning needs one row of the relation for every class of "
                f"the student. Received: relation of {self.num_classes} rows, "
                f"student of {classes} classes"
            )

    def compute(self, step: TransferStep) -> Tensor:
        labels = one_hot(step.y, step.predictions)
        target = ops.matmul(labels, ops.convert_to_tensor(self.relation))
        given = ops.log_softmax(self.head(step.student_embedding))
        return batch_mean(-ops.sum(target * given, axis=-1), step.sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes}


def _checked_relation(relation, source_classes):
    relation = np.asarray(relation, "float32")
    if relation.ndim != 2 or relation.shape[1] != source_classes:
        raise ValueError(
            "The relation must have one row for a target class and one column "
            f"for each of the {source_classes} classes of the source. "
            f"Received: relation of shape {relation.shape}"
        )
    sums = relation.sum(axis=1)
    if (relation < 0).any() or not np.allclose(sums, 1, atol=_TOLERANCE):
        raise ValueError(
            "The rows of the relation must be probabilities that sum to 1. "
            f"Received: rows that sum to {sums.min():.4g}..{sums.max():.4g}, "
            f"smallest element {relation.min():.4g}"
        )
    return relation
