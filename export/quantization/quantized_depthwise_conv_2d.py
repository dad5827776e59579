"""A depthwise convolution with the kernel that its int8 file has."""

import keras
from keras import ops

from kerastl.export.quantization.kernel_quantized import KernelQuantized
from kerastl.export.quantization.quantize_kernel import quantize_kernel
from kerastl.layers import BlurredDepthwiseConv2D


@keras.saving.register_keras_serializable(package="kerastl")
class QuantizedDepthwiseConv2D(KernelQuantized, keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` with an int8 kernel, a scale a channel.

    tensorflow-model-optimization counts the channels of a depthwise kernel on
    its last axis, which is the depth multiplier, and so has one scale for the
    whole kernel where this has one for each channel, as the file does.

    Args:
        *args: As in `keras.layers.DepthwiseConv2D`.
        activation: One of `QuantizedActivation`'s names.
        per_channel: Whether each channel has a scale of its own.
        **kwargs: As in `keras.layers.DepthwiseConv2D`.
    """

    def linear(self, inputs, training):
        outputs = ops.depthwise_conv(
            inputs,
            quantize_depthwise(self.kernel, self),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        return outputs if self.bias is None else ops.add(outputs, self.bias)


@keras.saving.register_keras_serializable(package="kerastl")
class QuantizedBlurredDepthwiseConv2D(KernelQuantized, BlurredDepthwiseConv2D):
    """`kerastl.layers.BlurredDepthwiseConv2D` with the larger kernel in int8.

    Args:
        *args: As in `kerastl.layers.BlurredDepthwiseConv2D`.
        activation: One of `QuantizedActivation`'s names.
        per_channel: Whether each channel has a scale of its own.
        **kwargs: As in `kerastl.layers.BlurredDepthwiseConv2D`.
    """

    def linear(self, inputs, training):
        return BlurredDepthwiseConv2D.call(self, inputs)

    def blurred(self, kernel):
        return quantize_depthwise(super().blurred(kernel), self)


def quantize_depthwise(kernel, layer):
    """Rounds a kernel `(rows, columns, channels, multiplier)`."""
    rows, columns, channels, multiplier = kernel.shape
    flat = ops.reshape(kernel, (rows, columns, 1, channels * multiplier))
    flat = quantize_kernel(flat, layer, layer.per_channel)
    return ops.reshape(flat, kernel.shape)
