"""A convolution that trains with the kernel that its int8 file has."""

import keras

from kerastl.export.quantization.kernel_quantized import KernelQuantized
from kerastl.export.quantization.quantize_kernel import quantize_kernel
from kerastl.layers import BlurredConv2D


@keras.saving.register_keras_serializable(package="kerastl")
class QuantizedConv2D(KernelQuantized, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with an int8 kernel, a scale for each filter.

    The rounding of the kernel commutes with a factor for each filter, so a
    BatchNormalization behind it stays a layer of its own in training, with
    the statistics of the batch, and folds into the same integers for the file.

    Args:
        *args: As in `keras.layers.Conv2D`.
        activation: One of `QuantizedActivation`'s names.
        per_channel: Whether each channel has a scale of its own.
        **kwargs: As in `keras.layers.Conv2D`.
    """

    def linear(self, inputs, training):
        return keras.layers.Conv2D.call(self, inputs)

    def convolution_op(self, inputs, kernel):
        kernel = quantize_kernel(kernel, self, self.per_channel)
        return super().convolution_op(inputs, kernel)


@keras.saving.register_keras_serializable(package="kerastl")
class QuantizedBlurredConv2D(KernelQuantized, BlurredConv2D):
    """`kerastl.layers.BlurredConv2D` with an int8 kernel, the larger one.

    Args:
        *args: As in `kerastl.layers.BlurredConv2D`.
        activation: One of `QuantizedActivation`'s names.
        per_channel: Whether each channel has a scale of its own.
        **kwargs: As in `kerastl.layers.BlurredConv2D`.
    """

    def linear(self, inputs, training):
        return BlurredConv2D.call(self, inputs)

    def blurred(self, kernel):
        return quantize_kernel(super().blurred(kernel), self, self.per_channel)
