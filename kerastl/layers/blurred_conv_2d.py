"""A strided convolution with a blur inside its kernel."""

import keras
from keras import ops

from kerastl.layers.kernel_blur import KernelBlur
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
