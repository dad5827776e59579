from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_count
from kerastl.arguments import checked_number
from kerastl.data.batches import one_hot
from kerastl.losses.sample_statistics import SampleStore
from kerastl.losses.sample_statistics import replicas_of
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.class_outputs import class_probabilities
from kerastl.training.transfer_loss import LabelChange
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.fine_tuner import FineTuner
    from kerastl.training.transfer_loss import TransferStep


@keras.saving.register_keras_serializable(package="kerastl")
class TCR(LabelChange):
    """Temporal calibrated regularization, against wrong labels.

    From the second time on that an example is seen, its label gives way to
    what the network predicted for it the time before:

        y* = beta * y + (1 - beta) * z
        z  = softmax prediction of the epoch before, and from
             `squeeze_epoch` on  z^gamma / sum z^gamma

    The predictions of all examples are kept in a weight of
    `num_samples * classes` numbers, which is saved with the tuner. `History`
    shows how much of the labels has moved, from 0 to 1. The equations were
    read in notes of others, not in the paper; they are assumed.

    Args:
        num_samples: Number of training examples.
        beta: Share of the label that stays. The paper finds 0.05 to 0.3
            stable.
        gamma: Exponent that sharpens predictions; 1 leaves them.
        squeeze_epoch: The epoch, counted for each example from 0, from which
            on predictions are sharpened: after the learning rate has fallen.
            `None` never sharpens.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If an argument is out of range; at the start of `fit`, if
            the data has no index.

    Example:

    ```python
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.TCR(len(images), squeeze_epoch=10)],
    )
    inputs, labels = kerastl.data.with_index((images, labels))
    tuner.fit(inputs, labels, epochs=20)
    ```

    Reference:
        Wu et al., "Temporal Calibrated Regularization for Robust Noisy Label
        Learning", IJCNN 2020.
    """

    needs_index = True

    def __init__(
        self,
        num_samples: int,
        beta: float = 0.1,
        gamma: float = 1.1,
        squeeze_epoch: int | None = None,
        name: str = "tcr",
    ) -> None:
        super().__init__(name)
        self.num_samples = checked_count("num_samples", num_samples)
        self.beta = checked_number("beta", beta, least=0, most=1)
        self.gamma = checked_number("gamma", gamma, above=0)
        self.squeeze_epoch = squeeze_epoch
        self.stores = []

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return self.stores

    def build(self, tuner: FineTuner) -> None:
        self.kind = class_outputs(tuner.student, tuner.loss)
        classes = tuner.student.output_shape[-1]
        self.stores = [
            SampleStore(self.num_samples, width, name, replicas_of(tuner))
            for name, width in (("predictions", classes), ("visits", 1))
        ]

    def change_target(self, y: Tensor, step: TransferStep) -> Tensor:
        predictions, visits = (store.read(step.index) for store in self.stores)
        if self.squeeze_epoch is not None and self.gamma != 1:
            raised = ops.power(predictions, self.gamma)
            total = ops.sum(raised, axis=-1, keepdims=True)
            predictions = ops.where(
                visits >= self.squeeze_epoch,
                raised / ops.maximum(total, 1e-12),
                predictions,
            )
        moved = self.beta * y + (1 - self.beta) * predictions
        return ops.where(visits > 0, moved, y)

    def compute(self, step: TransferStep) -> Tensor:
        labels = one_hot(step.y, step.predictions)
        change = ops.abs(self.change_target(labels, step) - labels)
        predictions, visits = self.stores
        seen = visits.read(step.index) + 1
        predictions.write(
            step.index, class_probabilities(step.predictions, self.kind)
        )
        visits.write(step.index, seen)
        return ops.mean(ops.sum(change, axis=-1)) / 2

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_samples": self.num_samples,
            "beta": self.beta,
            "gamma": self.gamma,
            "squeeze_epoch": self.squeeze_epoch,
        }
