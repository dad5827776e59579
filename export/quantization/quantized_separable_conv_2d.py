"""A separable convolution with the kernels that its int8 file has."""

import keras
from keras import ops

from kerastl.export.quantization.activation_quantizer import ActivationQuantizer
from kerastl.export.quantization.kernel_quantized import KernelQuantized
from kerastl.export.quantization.quantize_kernel import quantize_kernel
from kerastl.export.quantization.quantized_depthwise_conv_2d import (
    quantize_depthwise,
)
from kerastl.layers import BlurredSeparableConv2D


class _TwoKernels(KernelQuantized):
    """A separable convolution, the map between its convolutions rounded."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.depthwise_quantizer = ActivationQuantizer(
            name="depthwise_quantizer", dtype=self.dtype_policy
        )

    def build(self, input_shape):
        super().build(input_shape)
        self.depthwise_quantizer.build(None)

    def linear(self, inputs, training):
        inputs, padding = self.lay(inputs)
        x = ops.depthwise_conv(
            inputs,
            self.rounded_depthwise(),
            strides=self.strides,
            padding=padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        x = self.depthwise_quantizer(x, training=training)
        outputs = ops.conv(
            x,
            quantize_kernel(self.pointwise_kernel, self, self.per_channel),
            data_format=self.data_format,
        )
        return outputs if self.bias is None else ops.add(outputs, self.bias)

    def rounded_depthwise(self):
        """The rounded kernel of the first convolution."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="kerastl")
class QuantizedSeparableConv2D(_TwoKernels, keras.layers.SeparableConv2D):
    """`keras.layers.SeparableConv2D` as the two convolutions that it becomes.

    Both kernels have a scale for each channel, and the map between the two
    convolutions is rounded too.

    Args:
        *args: As in `keras.layers.SeparableConv2D`.
        activation: One of `QuantizedActivation`'s names.
        per_channel: Whether each channel has a scale of its own.
        **kwargs: As in `keras.layers.SeparableConv2D`.
    """

    def lay(self, inputs):
        return inputs, self.padding

    def rounded_depthwise(self):
        return quantize_depthwise(self.depthwise_kernel, self)


@keras.saving.register_keras_serializable(package="kerastl")
class QuantizedBlurredSeparableConv2D(_TwoKernels, BlurredSeparableConv2D):
    """`kerastl.layers.BlurredSeparableConv2D` with its larger kernel in int8.

    Args:
        *args: As in `kerastl.layers.BlurredSeparableConv2D`.
        activation: One of `QuantizedActivation`'s names.
        per_channel: Whether each channel has a scale of its own.
        **kwargs: As in `kerastl.layers.BlurredSeparableConv2D`.
    """

    def rounded_depthwise(self):
        return quantize_depthwise(self.blurred(self.depthwise_kernel), self)
