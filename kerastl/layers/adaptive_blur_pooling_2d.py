"""Anti-aliased down-sampling with a filter that the content chooses."""

from collections.abc import Sequence
from typing import Any
from typing import Literal

import keras
import numpy as np
from keras import ops

from kerastl.arguments import checked_count
from kerastl.layers.blur_pooling_2d import BlurPooling2D
from kerastl.types import Shape
from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class AdaptiveBlurPooling2D(BlurPooling2D):
    """Blurs each place with a filter that is predicted from what is there.

    A fixed blur weakens edges as much as it weakens noise. Here a convolution
    with BatchNormalization predicts, for every output pixel and every group
    of channels, the taps of the low-pass filter, and a softmax makes them
    non-negative with sum 1. Borders, sizes and the sampling grid are those of
    `BlurPooling2D`.

    At the start the layer is that blur: the scale of the BatchNormalization
    is 0 and its offset the logarithm of the binomial taps. Only the pixels
    that are kept are computed, so the batch statistics are theirs.

    The released code normalizes over the taps of all groups together, so that
    those of one group do not sum to 1. `softmax="all"` does the same, and
    starts as the blur divided by the number of groups.

    Args:
        kernel_size: Taps of the filter, 1 to 7; an int or a pair. 3 is best
            for accuracy in the paper, 5 for consistency.
        groups: Number of groups of channels that share a filter; divides the
            channels.
        softmax: `"group"` (the paper) or `"all"` (the released code).
        **kwargs: As in `kerastl.layers.BlurPooling2D`.

    Input and output shape: as in `kerastl.layers.BlurPooling2D`.

    Raises:
        ValueError: If an argument is out of range, or if `groups` does not
            divide the channels.

    Example:

    >>> blur = kerastl.layers.AdaptiveBlurPooling2D(kernel_size=3, groups=8)
    >>> tuple(blur(np.ones((1, 8, 8, 16))).shape)
    (1, 4, 4, 16)

    Reference:

    - Zou et al., "Delving Deeper into Anti-aliasing in ConvNets", BMVC 2020,
      section 3.2 (arXiv 2008.09604).
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int] = 3,
        groups: int = 8,
        softmax: Literal["group", "all"] = "group",
        **kwargs: Any,
    ) -> None:
        super().__init__(kernel_size, **kwargs)
        groups = checked_count("groups", groups)
        if softmax not in ("group", "all"):
            raise ValueError(
                "`softmax` must be 'group' or 'all'. "
                f"Received: softmax={softmax!r}"
            )
        self.groups = groups
        self.softmax = softmax
        self.filters = keras.layers.Conv2D(
            groups * self._kernel.size,
            self.kernel_size,
            strides=self.strides,
            use_bias=False,
            data_format="channels_last",
            kernel_initializer=keras.initializers.VarianceScaling(
                2.0, "fan_out"
            ),
            dtype=self.dtype_policy,
            name="filters",
        )
        taps = np.tile(np.log(self._kernel.ravel()), groups)
        self.normalization = keras.layers.BatchNormalization(
            gamma_initializer="zeros",
            beta_initializer=_Values(taps.tolist()),
            dtype=self.dtype_policy,
            name="normalization",
        )

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        channels = input_shape[-1 if self._channels_last else 1]
        if channels is None or channels % self.groups:
            raise ValueError(
                f"Layer {self.name} gives every group the same number of "
                "channels, so `groups` must divide them. "
                f"Received: groups={self.groups}, channels={channels}"
            )
        self.filters.build((None, None, None, channels))
        self.normalization.build((None, None, None, self.filters.filters))

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        x = inputs
        for i, axis in enumerate(self._spatial_axes):
            x = self._pad(x, i, axis)
        if not self._channels_last:
            x = ops.transpose(x, (0, 2, 3, 1))
        logits = self.normalization(self.filters(x), training=training)
        shape = ops.shape(logits)
        height, width = shape[1], shape[2]
        # Four axes are what the converters for devices take.
        grouped = (-1, height * width, self.groups, self._kernel.size)
        if self.softmax == "group":
            weights = self._softmax(ops.reshape(logits, grouped))
        else:
            weights = ops.reshape(self._softmax(logits), grouped)
        channels = x.shape[-1]
        grouped = (-1, height * width, self.groups, channels // self.groups)
        total = 0
        for tap, (row, column) in enumerate(np.ndindex(*self.kernel_size)):
            pixels = x[
                :,
                row : row + (height - 1) * self.strides[0] + 1 : (
                    self.strides[0]
                ),
                column : column + (width - 1) * self.strides[1] + 1 : (
                    self.strides[1]
                ),
            ]
            weight = weights[..., tap : tap + 1]
            total = total + weight * ops.reshape(pixels, grouped)
        outputs = ops.reshape(total, (-1, height, width, channels))
        if not self._channels_last:
            outputs = ops.transpose(outputs, (0, 3, 1, 2))
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "groups": self.groups,
            "softmax": self.softmax,
        }

    @property
    def _channels_last(self):
        return self.data_format == "channels_last"

    def _softmax(self, logits):
        weights = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        return ops.cast(weights, self.compute_dtype)


@keras.saving.register_keras_serializable(package="kerastl")
class _Values(keras.initializers.Initializer):
    """The given numbers."""

    def __init__(self, values):
        self.values = values

    def get_config(self):
        return {"values": self.values}

    def __call__(self, shape, dtype=None):
        return ops.convert_to_tensor(self.values, dtype=dtype)
