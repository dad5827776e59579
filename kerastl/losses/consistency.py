from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_number
from kerastl.arguments import checked_probability
from kerastl.arguments import checked_seed
from kerastl.losses.image_views import second_view
from kerastl.losses.teacher_distillation import AnswerDistillation
from kerastl.losses.weight_average import WeightAverage
from kerastl.surgery.class_outputs import class_probabilities
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.fine_tuner import FineTuner


@keras.saving.register_keras_serializable(package="kerastl")
class ShiftConsistency(AnswerDistillation):
    """One answer to an image, wherever it lies: steadiness without a blur.

    Every image is shifted by a random whole number of pixels, and the student
    learns to answer the shifted one as it answers the image itself, or as the
    moving average of its weights does. With the probabilities `q` of the image
    and `p` of the shifted one, the mean over all images, labelled and
    unlabelled, of

        KL( q(image) || p(shifted image) )

    `q` has no gradient: the image as it is teaches, which the student knows
    better, and not the shifted one. The shifted images are one more pass of
    the student, forward and back; the network that ships is as it was, and
    takes as long.

    Args:
        weight: Factor of the term in the total loss.
        shift: Largest shift, as a share of height and width. What comes in
            from outside repeats the edge.
        teacher_momentum: Share that the moving average of the weights keeps
            in a step, at most `1 - 1 / n` in step `n`; it answers the images
            as they are, in one more forward pass. `None` for none: the
            student's own answers are there already.
        seed: Seed of the shifts, an integer or `None`.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If an argument is out of range; at `compile`, if the
            student predicts no classes.

    Example:

    ```python
    tuner = kerastl.FineTuner(student)
    tuner.compile(
        optimizer=keras.optimizers.Adam(0.0005),
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.ShiftConsistency(1.0, seed=0)],
    )
    ```

    References:
        - Laine and Aila, "Temporal Ensembling for Semi-Supervised Learning",
          ICLR 2017, section 2.1: one answer to shifted images.
        - Tarvainen and Valpola, "Mean teachers are better role models",
          NeurIPS 2017, section 2: the average as target.
        - Xie et al., "Unsupervised Data Augmentation for Consistency
          Training", NeurIPS 2020, section 2.2: the divergence, and that the
          unchanged image is the target. That shifts alone are drawn, and that
          labelled images count too, is ours.
    """

    def __init__(
        self,
        weight: float = 1.0,
        shift: float = 0.125,
        teacher_momentum: float | None = None,
        seed: int | None = None,
        name: str = "shift_consistency",
    ) -> None:
        super().__init__(weight, 1.0, name)
        self.shift = checked_number("shift", shift, least=0, below=1)
        if teacher_momentum is not None:
            teacher_momentum = checked_probability(
                "teacher_momentum", teacher_momentum
            )
        self.teacher_momentum = teacher_momentum
        self.seed = checked_seed("seed", seed)
        self.view = _Shift(self.shift, self.seed)
        self.average: Any = None

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [self.view] + [self.average] * (self.average is not None)

    def build(self, tuner: FineTuner) -> None:
        super().build(tuner)
        self._student = tuner.student
        if self.teacher_momentum is not None:
            self.average = WeightAverage(
                tuner.student.trainable_variables,
                self.teacher_momentum,
                from_first=True,
                name="weight_average",
            )

    def pair(self, images: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
        moved = self._student(self.view(images), training=True)
        if self.average is not None:
            outputs = self.average.answers(self._student, images)
        better, given = (
            class_probabilities(each, self.kind) for each in (outputs, moved)
        )
        return ops.stop_gradient(better), given

    def get_config(self) -> dict[str, Any]:
        names = ("shift", "teacher_momentum", "seed")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }


class _Shift(keras.layers.Layer):
    """Shifts images, and keeps what it draws from."""

    def __init__(self, shift, seed):
        super().__init__(name="shift", dtype="float32")
        self.shift = shift
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, images):
        return second_view(images, self.generator, self.shift, flip=False)
