import keras

from kerastl.losses.confident import confident
from kerastl.losses.embedding_units import embedding_units
from kerastl.losses.feature_queue import FeatureQueue
from kerastl.losses.mmd import mmd
from kerastl.losses.probabilities import output_probabilities
from kerastl.losses.probabilities import reads_logits
from kerastl.losses.transfer_loss import TransferLoss
from kerastl.losses.warm_up import WarmUp


@keras.saving.register_keras_serializable(package="kerastl")
class ARC(TransferLoss):
    """Adaptive representation consistency: labelled and unlabelled alike.

    The squared maximum mean discrepancy between what the student's head reads
    of labelled and of unlabelled examples, of those whose predictions are
    sure: the entropy is at most `threshold` of the largest possible.

        mean k(l, l') + mean k(u, u') - 2 mean k(l, u)
        k(a, b) = exp(- mean_d (a_d - b_d)^2)

    Each side is the batch's sure examples and those stored of the batches
    before, newest first, `queue` in all; stored ones have no gradient. That
    the queue counts the batch itself is assumed. As long as one side is empty
    the term is 0.

    Args:
        weight: Factor of the term in the total loss.
        threshold: Largest entropy of a sure prediction, as a share of the
            logarithm of the number of classes.
        queue: How many examples a side has.
        warmup_steps: Steps in which the term rises from 0; its values in
            `History` rise with it.
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
        weight=50.0,
        threshold=0.7,
        queue=128,
        warmup_steps=100,
        name="arc",
    ):
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
    def layers(self):
        return [self.warm_up, *self.queues]

    def build(self, tuner):
        units = embedding_units(tuner)
        self.logits = reads_logits(tuner)
        self.queues = [
            FeatureQueue(self.queue, units, name)
            for name in ("labelled", "unlabelled")
        ]

    def compute(self, step):
        sides = []
        for part, queue in zip(
            (step, step.unlabelled), self.queues, strict=True
        ):
            sure = confident(
                output_probabilities(part.predictions, self.logits),
                self.threshold,
            )
            sides.append(queue.push(part.student_embedding, sure))
        (labelled, here), (unlabelled, there) = sides
        return self.warm_up.factor() * mmd(labelled, unlabelled, here, there)

    def get_config(self):
        config = super().get_config()
        del config["taps"], config["tap_weights"]
        return {
            **config,
            "threshold": self.threshold,
            "queue": self.queue,
            "warmup_steps": self.warm_up.steps,
        }
