"""The smoothing of a training by curriculum."""

from typing import Any
from typing import Literal

import keras
import numpy as np
from keras import ops

from kerastl.arguments import checked_number
from kerastl.layers.sum_of_shifts import sum_of_shifts
from kerastl.types import Shape
from kerastl.types import Tensor

# With a smaller side tap the filter changes nothing that float32 activations
# of a trained network show.
_NEGLIGIBLE = 1e-5


@keras.saving.register_keras_serializable(package="kerastl")
class GaussianSmoothing2D(keras.layers.Layer):
    """Filters every channel with a 3x3 Gaussian whose width can be changed.

    The width `sigma` is a weight that is not trained, so that a callback may
    lower it during training without a new trace: see
    `kerastl.callbacks.CurriculumSmoothing`. The filter is normalised to sum 1
    and the border is padded with zeros, as in the published code. From
    `sigma` 0.2 downward the filter is the identity. It is active in inference
    too: the statistics of the BatchNormalization behind it depend on it.

    Args:
        sigma: Width of the Gaussian at the start, in pixels, more than 0.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        **kwargs: `name`, `dtype` and so on.

    Input and output shape: `(batch, height, width, channels)`, or
    `(batch, channels, height, width)` with `"channels_first"`.

    Raises:
        ValueError: If `sigma` is not positive.

    Example:

    >>> smoothing = kerastl.layers.GaussianSmoothing2D(sigma=1.0)
    >>> y = smoothing(x)
    >>> smoothing.sigma.assign(0.5)

    Reference:

    - Sinha, Garg and Larochelle, "Curriculum By Smoothing", NeurIPS 2020,
      section 3.
    """

    #: Whether shifted maps are summed, see `sum_of_shifts`.
    shifts = False

    def __init__(
        self,
        sigma: float = 1.0,
        data_format: Literal["channels_last", "channels_first"] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.initial_sigma = checked_number("sigma", sigma, above=0)
        self.data_format = data_format or keras.config.image_data_format()
        self.input_spec = keras.layers.InputSpec(ndim=4)
        self.sigma = self.add_weight(
            name="sigma",
            initializer=keras.initializers.Constant(self.initial_sigma),
            trainable=False,
            autocast=False,
        )

    def build(self, input_shape: Shape) -> None:
        axis = -1 if self.data_format == "channels_last" else 1
        self.channels: Any = input_shape[axis]

    def call(self, inputs: Tensor) -> Tensor:
        side = ops.exp(-0.5 / ops.square(self.sigma))
        taps = ops.stack([side, ops.ones_like(side), side])
        taps = taps / (1.0 + 2.0 * side)
        kernel = ops.cast(ops.outer(taps, taps), self.compute_dtype)
        kernel = ops.reshape(kernel, (3, 3, 1))
        last = self.data_format == "channels_last"
        if self.shifts and last and None not in inputs.shape[1:3]:
            x = ops.pad(inputs, [(0, 0), (1, 1), (1, 1), (0, 0)])
            return sum_of_shifts(x, kernel, (1, 1), inputs.shape[1:3])
        return ops.depthwise_conv(
            inputs,
            ops.expand_dims(ops.repeat(kernel, self.channels, axis=2), -1),
            padding="same",
            data_format=self.data_format,
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def fold(self) -> keras.layers.Layer | None:
        """The fixed convolution that this layer is, `None` if the identity."""
        sigma = float(ops.convert_to_numpy(self.sigma))
        side = np.exp(-0.5 / max(sigma, 1e-6) ** 2)
        taps = np.array([side, 1, side]) / (1 + 2 * side)
        if taps[0] < _NEGLIGIBLE:
            return None
        layer = keras.layers.DepthwiseConv2D(
            3,
            padding="same",
            use_bias=False,
            data_format=self.data_format,
            dtype=self.dtype_policy,
            trainable=False,
            name=self.name,
        )
        layer.build_from_config(self.get_build_config())
        kernel = np.outer(taps, taps)[:, :, None, None]
        layer.set_weights([np.repeat(kernel, self.channels, axis=2)])
        return layer

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sigma": self.initial_sigma,
            "data_format": self.data_format,
        }
