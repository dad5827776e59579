"""BatchNormalization that mixes batch and moving statistics in training."""

from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_probability
from kerastl.layers.plain_twin import plain_twin
from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class StochNorm(keras.layers.BatchNormalization):
    """Normalizes a random half of the channels by the moving statistics.

    In a fine-tune on few images the statistics of a batch overfit. Here every
    training step draws, for each channel, whether it is normalized by the
    batch (with probability `p`) or by the moving statistics, those from before
    the step. So the statistics of the pre-trained network take part in
    training, and training sees what inference will. The moving statistics are
    updated once a step by every channel, drawn or not. Inference is that of
    `keras.layers.BatchNormalization`, and so are the weights.

    The published momentum of the moving statistics is 0.9 in Keras's sense
    (0.1 in PyTorch's). The moving variance is made of the batch's variance with
    the divisor `n`, as in Keras; PyTorch's, and so the authors', has `n - 1`.

    Args:
        p: Probability that a channel is normalized by the batch, in [0, 1].
            1 is BatchNormalization.
        seed: Seed of the draws.
        **kwargs: As in `keras.layers.BatchNormalization`, without `renorm`.

    Raises:
        ValueError: If `p` is no probability, or with `renorm=True`.

    Example:

    >>> layer = kerastl.layers.StochNorm(p=0.5, momentum=0.9, seed=0)
    >>> y = layer(x, training=True)

    Reference:

    - Kou et al., "Stochastic Normalization", NeurIPS 2020, section 3.
    """

    def __init__(
        self, p: float = 0.5, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if self.renorm:
            raise ValueError(
                "StochNorm mixes plain batch and moving statistics, and batch "
                "renormalization corrects the one by the other. Use one of "
                "them. Received: renorm=True"
            )
        self.p = checked_probability("p", p)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(
        self,
        inputs: Tensor,
        training: bool | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        x = ops.cast(inputs, dtype)
        moving_mean = ops.cast(self.moving_mean, dtype)
        moving_variance = ops.cast(self.moving_variance, dtype)
        mean, variance = self._moments(x, mask)
        for moving, old, new in (
            (self.moving_mean, moving_mean, mean),
            (self.moving_variance, moving_variance, variance),
        ):
            moving.assign(old * self.momentum + new * (1.0 - self.momentum))
        draws = keras.random.uniform(ops.shape(mean), seed=self.seed_generator)
        by_batch = draws < self.p
        # Channels do not mix in a normalization, so choosing the statistics
        # of each is the same as choosing between two normalized maps.
        outputs = ops.batch_normalization(
            x,
            mean=ops.where(by_batch, mean, moving_mean),
            variance=ops.where(by_batch, variance, moving_variance),
            axis=self.axis,
            offset=ops.cast(self.beta, dtype) if self.center else None,
            scale=ops.cast(self.gamma, dtype) if self.scale else None,
            epsilon=self.epsilon,
        )
        return ops.cast(outputs, self.compute_dtype)

    def fold(self) -> keras.layers.Layer:
        """The BatchNormalization that this layer is in inference."""
        return plain_twin(self, keras.layers.BatchNormalization, ("p", "seed"))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "p": self.p, "seed": self.seed}
