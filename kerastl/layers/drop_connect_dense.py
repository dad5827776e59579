"""A dense layer that loses random connections in training."""

from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_probability
from kerastl.layers.plain_twin import plain_twin
from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class DropConnectDense(keras.layers.Dense):
    """A dense layer whose single weights are dropped at random in training.

    Dropout sets inputs of the layer to zero, DropConnect entries of the
    kernel, each with probability `rate`; the others are divided by
    `1 - rate`, so that the mean stays. Inference uses the whole kernel. (The
    paper matches moments by sampling there; the scaling is its mean.)

    Args:
        units: As in `keras.layers.Dense`.
        rate: Probability that a weight is dropped, in [0, 1).
        per_image: Whether every image of a batch has a mask of its own, as in
            the paper; that takes `batch * inputs * units` numbers of memory.
            `False` draws one mask a batch.
        seed: Seed of the masks.
        **kwargs: As in `keras.layers.Dense`.

    Input shape: `(batch, inputs)`. Output shape: `(batch, units)`.

    Raises:
        ValueError: If `rate` is not in [0, 1).

    Example:

    >>> head = kerastl.layers.DropConnectDense(10, rate=0.5)
    >>> head(features, training=True).shape

    Reference:

    - Wan et al., "Regularization of Neural Networks using DropConnect",
      ICML 2013, section 3.
    """

    def __init__(
        self,
        units: int,
        rate: float = 0.5,
        per_image: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, **kwargs)
        self.rate = checked_probability("rate", rate)
        if self.rate == 1:
            raise ValueError(
                "A layer without connections learns nothing. Pass a `rate` "
                f"below 1. Received: rate={rate!r}"
            )
        self.per_image = per_image
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if not training or self.rate == 0:
            return super().call(inputs)
        kernel = ops.convert_to_tensor(self.kernel)
        shape = tuple(kernel.shape)
        if self.per_image:
            shape = (ops.shape(inputs)[0], *shape)
        draws = keras.random.uniform(shape, seed=self.seed_generator)
        kept = ops.where(
            draws < 1 - self.rate,
            kernel / ops.cast(1 - self.rate, kernel.dtype),
            ops.zeros_like(kernel),
        )
        if self.per_image:
            x = ops.squeeze(ops.matmul(ops.expand_dims(inputs, 1), kept), 1)
        else:
            x = ops.matmul(inputs, kept)
        if self.use_bias:
            x = x + self.bias
        return x if self.activation is None else self.activation(x)

    def fold(self) -> keras.layers.Layer:
        """The dense layer that this layer is in inference."""
        return plain_twin(
            self, keras.layers.Dense, ("rate", "per_image", "seed")
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rate": self.rate,
            "per_image": self.per_image,
            "seed": self.seed,
        }
