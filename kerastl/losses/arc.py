from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_count
from kerastl.arguments import checked_number
from kerastl.losses.akc import WarmUp
from kerastl.losses.akc import confident
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.class_outputs import class_probabilities
from kerastl.training.transfer_loss import TransferLoss
from kerastl.training.transfer_loss import embedding_units
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.fine_tuner import FineTuner
    from kerastl.training.transfer_loss import TransferStep

# Shares of the warm-up and of the queue that pass before the term begins.
_WAIT = 10 / 100
_LEAST = 20 / 128


@keras.saving.register_keras_serializable(package="kerastl")
class ARC(TransferLoss):
    """Adaptive representation consistency: labelled and unlabelled alike.

    The squared maximum mean discrepancy between what the student's head reads
    of labelled and of unlabelled examples, of those whose predictions are
    sure: the entropy is at most `threshold` of the largest possible.

        mean k(l, l') + mean k(u, u') - 2 mean k(l, u)
        k(a, b) = exp(- mean_d (a_d - b_d)^2)

    Each side is the last `queue` sure examples, those of the batch itself
    included; those of the batches before have no gradient. A batch that has
    none on one of the sides adds to neither, and its term is 0.

    The term begins, as in the authors' code, when more than a tenth of the
    warm-up has passed (10 of 100 steps) and more than 20 of 128 places of the
    labelled side are taken.

    Args:
        weight: Factor of the term in the total loss.
        threshold: Largest entropy of a sure prediction, as a share of the
            logarithm of the number of classes.
        queue: How many examples a side has.
        warmup_steps: Steps `n` in which the term rises, by `1 / n` in each;
            its values in `History` rise with it. 0 for no warm-up.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If `queue` is less than 1; at the start of `fit`, if the
            batches have no unlabelled images.

    Example:

    ```python
    tuner = kerastl.FineTuner(student)
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.ARC()],
    )
    tuner.fit(kerastl.data.with_unlabelled(train, unlabelled))
    ```

    Reference:
        Abuduweili et al., "Adaptive Consistency Regularization for
        Semi-Supervised Transfer Learning", CVPR 2021, section 3.
    """

    needs_source = False
    needs_embedding = True
    needs_unlabelled = True

    def __init__(
        self,
        weight: float = 50.0,
        threshold: float = 0.7,
        queue: int = 128,
        warmup_steps: int = 100,
        name: str = "arc",
    ) -> None:
        super().__init__(weight, name=name)
        self.threshold = checked_number("threshold", threshold)
        self.queue = checked_count("queue", queue)
        self.warm_up = WarmUp(
            checked_count("warmup_steps", warmup_steps, least=0)
        )
        self.queues = []

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [self.warm_up, *self.queues]

    def build(self, tuner: FineTuner) -> None:
        units = embedding_units(tuner)
        self.kind = class_outputs(tuner.student, tuner.loss)
        self.queues = [
            _FeatureQueue(self.queue, units, name)
            for name in ("labelled", "unlabelled")
        ]

    def compute(self, step: TransferStep) -> Tensor:
        parts = step, step.unlabelled
        sure = [
            confident(
                class_probabilities(part.predictions, self.kind),
                self.threshold,
            )
            for part in parts
        ]
        both = ops.minimum(*(ops.sign(ops.sum(side)) for side in sure))
        (labelled, here), (unlabelled, there) = (
            queue.push(part.student_embedding, both * side)
            for queue, part, side in zip(self.queues, parts, sure, strict=True)
        )
        # Without a warm-up there is nothing to wait for.
        begun = self.warm_up.seen > (_WAIT * self.warm_up.steps or -1.0)
        enough = ops.sum(here) > _LEAST * self.queue
        counts = both * ops.cast(ops.logical_and(begun, enough), "float32")
        value = counts * _mmd(labelled, unlabelled, here, there)
        return self.warm_up.factor() * value

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["taps"], config["tap_weights"]
        return {
            **config,
            "threshold": self.threshold,
            "queue": self.queue,
            "warmup_steps": self.warm_up.steps,
        }


class _FeatureQueue(keras.layers.Layer):
    """Keeps the newest rows, in weights, so that they are saved.

    With several replicas the rows are those of the first.

    Args:
        size: How many rows are kept.
        units: Width of a row.
        name: Name of the layer.
    """

    def __init__(self, size, units, name):
        super().__init__(name=name, dtype="float32")
        self.size = size
        options = {
            "initializer": "zeros",
            "trainable": False,
            "autocast": False,
            "aggregation": "only_first_replica",
        }
        self.rows = self.add_weight(name="rows", shape=(size, units), **options)
        self.filled = self.add_weight(name="filled", shape=(size,), **options)
        self.built = True

    def push(self, rows, keep):
        """Puts rows behind the stored ones, and stores the last of them.

        Args:
            rows: float32 `(batch, units)`.
            keep: 1 for the rows to put in, 0 for the others, `(batch,)`.

        Returns:
            All rows `(size + batch, units)`, the oldest first, and a mask of
            those that are in the queue now. The stored ones have no gradient.
        """
        rows = ops.concatenate([ops.convert_to_tensor(self.rows), rows])
        keep = ops.concatenate([ops.convert_to_tensor(self.filled), keep])
        behind = ops.sum(keep) - ops.cumsum(keep)
        mask = keep * ops.cast(behind < self.size, "float32")
        self._store(ops.stop_gradient(rows), mask)
        return rows, mask

    def _store(self, rows, mask):
        places = ops.arange(ops.shape(mask)[0], dtype="float32")
        # Distinct keys, so that the order is the same everywhere.
        behind = (1.0 - mask) * ops.cast(ops.shape(mask)[0], "float32")
        order = ops.argsort(places + behind)[: self.size]
        self.rows.assign(ops.take(rows, order, axis=0))
        self.filled.assign(ops.take(mask, order, axis=0))


def _mmd(first, second, first_mask=None, second_mask=None):
    """The squared maximum mean discrepancy, 0 for a set and itself.

        mean k(a, a') + mean k(b, b') - 2 mean k(a, b)
        k(a, b) = exp(- mean_d (a_d - b_d)^2)

    The means are over all pairs, an element with itself included.

    Args:
        first: float32 `(n, units)`.
        second: float32 `(m, units)`.
        first_mask: 1 for the rows of `first` that count, 0 for others, `(n,)`.
            `None` counts all.
        second_mask: The same for `second`.

    Returns:
        A scalar; 0 where one of the sets is empty.
    """
    pairs = [(first, first_mask), (second, second_mask)]
    pairs = [
        (rows, ops.ones_like(rows[:, 0]) if mask is None else mask)
        for rows, mask in pairs
    ]
    a, b = pairs
    value = (
        _mean_kernel(*a, *a) + _mean_kernel(*b, *b) - 2 * _mean_kernel(*a, *b)
    )
    filled = ops.sign(ops.sum(a[1])) * ops.sign(ops.sum(b[1]))
    return filled * value


def _mean_kernel(first, first_mask, second, second_mask):
    squares = (
        ops.sum(ops.square(first), axis=1)[:, None]
        + ops.sum(ops.square(second), axis=1)[None]
        - 2 * ops.matmul(first, ops.transpose(second))
    )
    kernel = ops.exp(-ops.maximum(squares, 0.0) / first.shape[1])
    counts = first_mask[:, None] * second_mask[None]
    return ops.sum(counts * kernel) / ops.maximum(ops.sum(counts), 1.0)
