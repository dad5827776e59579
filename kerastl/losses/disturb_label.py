from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_probability
from kerastl.arguments import checked_seed
from kerastl.training.transfer_loss import LabelChange
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.training.transfer_loss import TransferStep


@keras.saving.register_keras_serializable(package="kerastl")
class DisturbLabel(LabelChange):
    """DisturbLabel: some labels are wrong on purpose, others in every step.

    With probability `rate` an example gets a label drawn evenly from all K
    classes, its own included: it keeps its label with probability
    `1 - rate * (K - 1) / K`, and gets each other one with `rate / K`.
    `History` shows 0: the term adds nothing to the loss.

    Args:
        rate: Share of the labels that are drawn anew.
        seed: Seed of the draws, an integer or `None`.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If `rate` is not between 0 and 1.

    Example:

    ```python
    tuner = kerastl.FineTuner(student)
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.DisturbLabel(0.1, seed=0)],
    )
    ```

    Reference:
        Xie et al., "DisturbLabel: Regularizing CNN on the Loss Layer", CVPR
        2016, section 3.
    """

    def __init__(
        self,
        rate: float = 0.1,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.rate = checked_probability("rate", rate)
        self.seed = checked_seed("seed", seed)
        self._random = keras.layers.Layer(name="random_labels")
        self._random.generator = keras.random.SeedGenerator(self.seed)
        self._random.built = True

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [self._random]

    def change_target(self, y: Tensor, step: TransferStep) -> Tensor:
        size, classes = ops.shape(y)[0], y.shape[-1]
        generator = self._random.generator
        chosen = keras.random.uniform((size, 1), seed=generator) < self.rate
        drawn = keras.random.randint((size,), 0, classes, seed=generator)
        return ops.where(chosen, ops.one_hot(drawn, classes, dtype=y.dtype), y)

    def compute(self, step: TransferStep) -> Tensor:
        return ops.zeros(())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
