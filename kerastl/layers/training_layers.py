"""Layers that only training needs.

A dense layer that loses random connections, BatchNormalization that mixes
batch and moving statistics, and a residual branch that is left out at random.
In inference each is a plain layer of Keras, or nothing.
"""

from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_count
from kerastl.arguments import checked_flag
from kerastl.arguments import checked_probability
from kerastl.arguments import checked_seed
from kerastl.types import Shape
from kerastl.types import Tensor


def _plain_twin(layer, keras_class, left_out):
    """Makes the layer of `keras_class` with the name and weights of `layer`.

    Args:
        layer: A built layer whose class extends `keras_class`.
        keras_class: The class of the twin.
        left_out: Names of the arguments that `keras_class` does not have.
    """
    config = layer.get_config()
    twin = keras_class.from_config(
        {name: config[name] for name in config if name not in left_out}
    )
    # Variables take `trainable` over when they are made.
    twin.trainable = True
    twin.build_from_config(layer.get_build_config())
    twin.set_weights(layer.get_weights())
    return twin


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
        super().__init__(checked_count("units", units), **kwargs)
        self.rate = checked_probability("rate", rate)
        if self.rate == 1:
            raise ValueError(
                "A layer without connections learns nothing. Pass a `rate` "
                f"below 1. Received: rate={rate!r}"
            )
        self.per_image = checked_flag("per_image", per_image)
        self.seed = checked_seed("seed", seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

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
        return _plain_twin(
            self, keras.layers.Dense, ("rate", "per_image", "seed")
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rate": self.rate,
            "per_image": self.per_image,
            "seed": self.seed,
        }


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
        self.seed = checked_seed("seed", seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

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
        return _plain_twin(self, keras.layers.BatchNormalization, ("p", "seed"))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "p": self.p, "seed": self.seed}


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
        self.per_image = checked_flag("per_image", per_image)
        self.seed = checked_seed("seed", seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

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
