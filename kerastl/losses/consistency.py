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

    The moving average of the student's weights looks at every image shifted
    by a random whole number of pixels, and the student learns its answer for
    the image as it is. With the probabilities `q` of the average and `p` of
    the student, the mean over all images, labelled and unlabelled, of

        KL( q(shifted image) || p(image) )

    The average's answer has no gradient. It is one more forward pass in
    training, as in `predict`; the network that ships is as it was, and takes
    as long.

    Args:
        weight: Factor of the term in the total loss.
        shift: Largest shift, as a share of height and width. What comes in
            from outside repeats the edge.
        teacher_momentum: Share that the moving average keeps in a step, at
            most `1 - 1 / n` in step `n`. 0 is the student as it is.
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
        - Tarvainen and Valpola, "Mean teachers are better role models",
          NeurIPS 2017, section 2: the average as target, and its pull. Theirs
          is a mean square; the divergence is ours.
        - Laine and Aila, "Temporal Ensembling for Semi-Supervised Learning",
          ICLR 2017, section 2.1: one answer to shifted images.
    """

    def __init__(
        self,
        weight: float = 1.0,
        shift: float = 0.125,
        teacher_momentum: float = 0.99,
        seed: int | None = None,
        name: str = "shift_consistency",
    ) -> None:
        super().__init__(weight, 1.0, name)
        self.shift = checked_number("shift", shift, least=0, below=1)
        self.teacher_momentum = checked_probability(
            "teacher_momentum", teacher_momentum
        )
        self.seed = checked_seed("seed", seed)
        self.average: Any = None

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [] if self.average is None else [self.average]

    def build(self, tuner: FineTuner) -> None:
        super().build(tuner)
        self._student = tuner.student
        self.average = WeightAverage(
            tuner.student.trainable_variables,
            self.teacher_momentum,
            from_first=True,
            name="weight_average",
        )
        self.average.generator = keras.random.SeedGenerator(self.seed)

    def answers(self, images: Tensor) -> Tensor:
        moved = second_view(
            images, self.average.generator, self.shift, flip=False
        )
        outputs = self.average.answers(self._student, moved)
        return ops.stop_gradient(class_probabilities(outputs, self.kind))

    def get_config(self) -> dict[str, Any]:
        names = ("shift", "teacher_momentum", "seed")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }
