"""A strided separable convolution with a blur inside its kernel."""

import keras
from keras import ops

from kerastl.layers.kernel_blur import KernelBlur
from kerastl.types import Tensor


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
