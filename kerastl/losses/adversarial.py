from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_count
from kerastl.arguments import checked_number
from kerastl.arguments import checked_seed
from kerastl.surgery.class_outputs import class_outputs
from kerastl.training.adversarial_images import adversarial_images
from kerastl.training.transfer_loss import TransferLoss
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.fine_tuner import FineTuner
    from kerastl.training.transfer_loss import TransferStep


@keras.saving.register_keras_serializable(package="kerastl")
class Adversarial(TransferLoss):
    """Trains on images that the student is most wrong about.

    Adversarial fine-tuning takes a network that was trained on clean images
    and goes on with attacked ones only, for a few epochs, with a learning
    rate that starts slowly and decays fast: see
    `kerastl.schedules.SlowStartFastDecay`. Every step attacks the batch by
    projected gradient descent, see `kerastl.adversarial_images`, and trains
    on the result; so a step costs `steps` passes forward and back more. All
    other terms see the attacked images too. `accuracy` in `History` is that
    on attacked images, `val_accuracy` that on clean ones. The term itself
    shows 0: it adds nothing to the loss.

    Size and number of the steps are assumed: the standard ones for CIFAR.

    Args:
        epsilon: Largest change of a pixel, in the images' own units: 8 of
            255.
        step_size: Change in one step of the attack.
        steps: Steps of the attack.
        value_range: Smallest and largest value of a pixel.
        seed: Seed of the random starts.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If an argument is out of range; at `compile`, if it cannot
            be told whether the student gives probabilities or logits.

    Example:

    ```python
    tuner = kerastl.FineTuner(student)
    tuner.compile(
        optimizer=keras.optimizers.SGD(
            kerastl.schedules.SlowStartFastDecay(0.01, total_steps=1000)
        ),
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.Adversarial(epsilon=8.0)],
        metrics=["accuracy"],
    )
    ```

    Reference:
        Jeddi, Shafiee and Wong, "A Simple Fine-tuning Is All You Need:
        Towards Robust Deep Learning Via Adversarial Fine-tuning", 2020.
    """

    needs_source = False
    changes_images = True

    def __init__(
        self,
        epsilon: float = 8.0,
        step_size: float = 2.0,
        steps: int = 7,
        value_range: Sequence[float] = (0.0, 255.0),
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=0.0, name=name)
        low, high = value_range
        if not low < high:
            raise ValueError(
                "`value_range` must rise. "
                f"Received: value_range={value_range!r}"
            )
        self.epsilon = checked_number("epsilon", epsilon, above=0)
        self.step_size = checked_number("step_size", step_size, above=0)
        self.steps = checked_count("steps", steps)
        self.value_range = (low, high)
        self.seed = checked_seed("seed", seed)
        self._random = keras.layers.Layer(name="random_starts")
        self._random.generator = keras.random.SeedGenerator(self.seed)
        self._random.built = True

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [self._random]

    def build(self, tuner: FineTuner) -> None:
        # Refuses before the first step what cannot be attacked in it, where
        # nothing is known of the loss.
        for loss in (tuner.loss, None):
            class_outputs(tuner.student, loss)

    def change_images(
        self, images: Tensor, y: Tensor, student: keras.Model
    ) -> Tensor:
        return adversarial_images(
            student,
            images,
            y,
            self.epsilon,
            self.step_size,
            self.steps,
            self.value_range,
            seed=self._random.generator,
        )

    def compute(self, step: TransferStep) -> Tensor:
        return ops.zeros(())

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "epsilon": self.epsilon,
            "step_size": self.step_size,
            "steps": self.steps,
            "value_range": self.value_range,
            "seed": self.seed,
        }
