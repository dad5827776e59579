"""Strided convolutions with a blur inside their kernel."""

import keras
from keras import ops

from kerastl.layers.kernel_blur import KernelBlur
from kerastl.layers.sum_of_shifts import sum_of_shifts
from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class BlurredConv2D(KernelBlur, keras.layers.Conv2D):
    """`keras.layers.Conv2D` whose output is blurred before it is strided.

    It has the weights of the Keras layer, and computes one convolution with
    a larger kernel, which `kerastl.surgery.fold_blurs` makes a plain layer of;
    see `KernelBlur`.

    Args:
        *args: As in `keras.layers.Conv2D`.
        blur_size: As in `KernelBlur`.
        zero_padding: As in `KernelBlur`.
        **kwargs: As in `keras.layers.Conv2D`.

    Input and output shape: as in `keras.layers.Conv2D`.

    Raises:
        ValueError: As in `KernelBlur`.

    Example:

    >>> layer = kerastl.layers.BlurredConv2D(8, 3, strides=2, padding="same")
    >>> tuple(layer(np.ones((1, 8, 8, 3))).shape)
    (1, 4, 4, 8)
    >>> tuple(layer.kernel.shape)
    (3, 3, 3, 8)
    """

    def convolve(self, inputs: Tensor) -> Tensor:
        inputs, padding = self.lay(inputs)
        return ops.conv(
            inputs,
            self.blurred(self.kernel),
            strides=self.strides,
            padding=padding,
            data_format=self.data_format,
        )


@keras.saving.register_keras_serializable(package="kerastl")
class BlurredDepthwiseConv2D(KernelBlur, keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` that is blurred before it is strided.

    It has the weights of the Keras layer, and computes one convolution with
    a larger kernel, which `kerastl.surgery.fold_blurs` makes a plain layer of;
    see `KernelBlur`.

    Args:
        *args: As in `keras.layers.DepthwiseConv2D`.
        blur_size: As in `KernelBlur`.
        zero_padding: As in `KernelBlur`.
        **kwargs: As in `keras.layers.DepthwiseConv2D`.

    Input and output shape: as in `keras.layers.DepthwiseConv2D`.

    Raises:
        ValueError: As in `KernelBlur`.

    Example:

    >>> layer = kerastl.layers.BlurredDepthwiseConv2D(3, 2, padding="same")
    >>> tuple(layer(np.ones((1, 8, 8, 3))).shape)
    (1, 4, 4, 3)
    >>> tuple(layer.kernel.shape)
    (3, 3, 3, 1)
    """

    #: Whether shifted maps are summed, see `sum_of_shifts`.
    shifts = False

    def convolve(self, inputs: Tensor) -> Tensor:
        kernel = self.blurred(self.kernel)
        if self.shifts and self._has_one_map_each(inputs):
            _, height, width, _ = self.compute_output_shape(inputs.shape)
            inputs, _ = self.lay(inputs, explicit=True)
            return sum_of_shifts(
                inputs, kernel[..., 0], self.strides, (height, width)
            )
        inputs, padding = self.lay(inputs)
        return ops.depthwise_conv(
            inputs,
            kernel,
            strides=self.strides,
            padding=padding,
            data_format=self.data_format,
        )

    def _has_one_map_each(self, inputs):
        return (
            self.data_format == "channels_last"
            and self.depth_multiplier == 1
            and None not in inputs.shape[1:3]
        )


@keras.saving.register_keras_serializable(package="kerastl")
class BlurredSeparableConv2D(KernelBlur, keras.layers.SeparableConv2D):
    """`keras.layers.SeparableConv2D` that is blurred before it is strided.

    The blur is in the depthwise kernel: the pointwise one mixes channels, and
    it makes no difference whether they are blurred before or after. Weights
    are those of the Keras layer; see `KernelBlur`.

    Args:
        *args: As in `keras.layers.SeparableConv2D`.
        blur_size: As in `KernelBlur`.
        zero_padding: As in `KernelBlur`.
        **kwargs: As in `keras.layers.SeparableConv2D`.

    Input and output shape: as in `keras.layers.SeparableConv2D`.

    Raises:
        ValueError: As in `KernelBlur`.

    Example:

    >>> layer = kerastl.layers.BlurredSeparableConv2D(8, 3, 2, padding="same")
    >>> tuple(layer(np.ones((1, 8, 8, 3))).shape)
    (1, 4, 4, 8)
    >>> tuple(layer.depthwise_kernel.shape)
    (3, 3, 3, 1)
    """

    def convolve(self, inputs: Tensor) -> Tensor:
        inputs, padding = self.lay(inputs)
        return ops.separable_conv(
            inputs,
            self.blurred(self.depthwise_kernel),
            self.pointwise_kernel,
            strides=self.strides,
            padding=padding,
            data_format=self.data_format,
        )
