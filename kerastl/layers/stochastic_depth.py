"""A residual branch that is left out at random in training."""

from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_probability
from kerastl.types import Shape
from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class StochasticDepth(keras.layers.Layer):
    """Keeps a residual branch with some probability, or sets it to zero.

    Goes between a residual branch and the sum with its shortcut; see
    `kerastl.surgery.add_stochastic_depth`. The paper leaves the kept branch
    as it is in training and multiplies it by `survival` in inference. That
    would change what a pre-trained network computes, so here the kept branch
    is divided by `survival` in training, which has the same mean, and
    inference is the identity.

    Args:
        survival: Probability that the branch is kept, in (0, 1].
        per_image: Whether each image of a batch draws for itself. The paper
            draws once for the batch.
        seed: Seed of the draws.
        **kwargs: `name`, `dtype` and so on.

    Input and output shape: any, the batch first.

    Raises:
        ValueError: If `survival` is not in (0, 1].

    Example:

    >>> branch = kerastl.layers.StochasticDepth(survival=0.8)(branch)
    >>> x = keras.layers.Add()([shortcut, branch])

    Reference:

    - Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016,
      section 3.
    """

    def __init__(
        self,
        survival: float = 0.5,
        per_image: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.survival = checked_probability("survival", survival)
        if self.survival == 0:
            raise ValueError(
                "A branch that is never kept is never trained. Remove it, or "
                f"pass `survival` above 0. Received: survival={survival!r}"
            )
        self.per_image = per_image
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Shape) -> None:
        pass

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if not training or self.survival == 1:
            return inputs
        count = ops.shape(inputs)[0] if self.per_image else 1
        draws = keras.random.uniform(
            (count,) + (1,) * (len(inputs.shape) - 1), seed=self.seed_generator
        )
        # Not a product with zero: that would keep what is not finite.
        return ops.where(
            draws < self.survival,
            inputs / ops.cast(self.survival, inputs.dtype),
            ops.zeros_like(inputs),
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def fold(self) -> None:
        """`None`: the layer is the identity in inference."""
        return None

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "survival": self.survival,
            "per_image": self.per_image,
            "seed": self.seed,
        }
