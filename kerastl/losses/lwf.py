from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import keras
from keras import ops

from kerastl.losses.source_head_loss import SourceHeadLoss
from kerastl.training.transfer_loss import batch_mean
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.training.transfer_loss import TransferStep


@keras.saving.register_keras_serializable(package="kerastl")
class LwF(SourceHeadLoss):
    """Learning without forgetting: the source's answers stay the same.

    The source, head included, answers for the new images; a copy of its head,
    which trains along, learns to give the same answers from the student's
    features. With logits `t` of the source and `s` of the copy, the mean
    over the batch of the cross-entropy

        - sum_k softmax(t / T)_k * log softmax(s / T)_k

    It is at its least, the entropy of the source's answers, where both agree.
    The frozen source runs beside the student. The paper's warm-up, in which
    only the new head trains, is no part of the term.

    Args:
        source: The source with its classifier. `None` where the weights come
            from a saved file.
        weight: Factor of the term in the total loss.
        temperature: `T`. More than 1 makes small probabilities count.
        head_shape: Units and classes of the classifier; read from `source`.
        train_head: Whether the copy trains along, as in the paper.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If the source has no classifier, or the temperature is not
            positive; at `compile`, if student and classifier do not fit.

    Example:

    ```python
    tuner = kerastl.FineTuner(student, source=source)
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.LwF(source)],
    )
    ```

    Reference:
        Li and Hoiem, "Learning without Forgetting", ECCV 2016, section 3.
    """

    def __init__(
        self,
        source: keras.Model | None = None,
        weight: float = 1.0,
        temperature: float = 2.0,
        head_shape: Sequence[int] | None = None,
        train_head: bool = True,
        name: str = "lwf",
    ) -> None:
        super().__init__(source, weight, head_shape, train_head, name)
        if not temperature > 0:
            raise ValueError(
                "`temperature` must be larger than 0. "
                f"Received: temperature={temperature!r}"
            )
        self.temperature = float(temperature)
        self.teacher = self.copy_head("teacher_head", trainable=False)

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [self.head, self.teacher]

    def compute(self, step: TransferStep) -> Tensor:
        recorded, given = (
            ops.log_softmax(head(embedding) / self.temperature)
            for head, embedding in (
                (self.teacher, step.source_embedding),
                (self.head, step.student_embedding),
            )
        )
        return batch_mean(
            self.compare(ops.stop_gradient(recorded), given),
            step.sample_weight,
        )

    def compare(self, recorded: Tensor, given: Tensor) -> Tensor:
        """One number an example, from log-probabilities `(batch, classes)`."""
        return -ops.sum(ops.exp(recorded) * given, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


@keras.saving.register_keras_serializable(package="kerastl")
class LogitsDistillation(LwF):
    """Logits distillation: the source's head must read the same as before.

    The source's frozen head reads the student's features; its answers are
    held to those that it gives for the source's. With logits `t` of the
    source and `s` from the student's features, the mean over the batch of

        T^2 * KL( softmax(t / T) || softmax(s / T) )

    It is 0 where both agree, and its gradient does not fade with `T`. `LwF`
    differs in that its copy of the head trains along.

    Args:
        source: The source with its classifier. `None` where the weights come
            from a saved file.
        weight: Factor of the term in the total loss.
        temperature: `T`, as in `keras.distillation.LogitsDistillation`.
        head_shape: Units and classes of the classifier; read from `source`.
        train_head: Whether the student's features are read by a copy of the
            head that trains along.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: As `LwF` does.

    Example:

    ```python
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.LogitsDistillation(source)],
    )
    ```

    Reference:
        Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural
        Network", 2015, section 2.
    """

    def __init__(
        self,
        source: keras.Model | None = None,
        weight: float = 1.0,
        temperature: float = 3.0,
        head_shape: Sequence[int] | None = None,
        train_head: bool = False,
        name: str = "logits_distillation",
    ) -> None:
        super().__init__(
            source, weight, temperature, head_shape, train_head, name
        )

    def compare(self, recorded: Tensor, given: Tensor) -> Tensor:
        divergence = ops.sum(ops.exp(recorded) * (recorded - given), axis=-1)
        return self.temperature**2 * divergence
