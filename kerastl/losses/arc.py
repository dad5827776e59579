from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import keras
from keras import ops

from kerastl.losses.confident import confident
from kerastl.losses.embedding_units import embedding_units
from kerastl.losses.feature_queue import FeatureQueue
from kerastl.losses.mmd import mmd
from kerastl.losses.warm_up import WarmUp
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.class_outputs import class_probabilities
from kerastl.training.transfer_loss import TransferLoss
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
        if not queue >= 1:
            raise ValueError(
                "The queues of ARC must keep at least 1 example. "
                f"Received: queue={queue}"
            )
        self.threshold = float(threshold)
        self.queue = int(queue)
        self.warm_up = WarmUp(int(warmup_steps))
        self.queues = []

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [self.warm_up, *self.queues]

    def build(self, tuner: FineTuner) -> None:
        units = embedding_units(tuner)
        self.kind = class_outputs(tuner.student, tuner.loss)
        self.queues = [
            FeatureQueue(self.queue, units, name)
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
        value = counts * mmd(labelled, unlabelled, here, there)
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
