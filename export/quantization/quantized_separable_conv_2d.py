"""A separable convolution with the kernels that its int8 file has."""

import keras
from keras import ops

from kerastl.export.quantization.activation_quantizer import ActivationQuantizer
from kerastl.export.quantization.kernel_quantized import KernelQuantized
from kerastl.export.quantization.quantize_kernel import quantize_kernel
from kerastl.export.quantization.quantized_depthwise_conv_2d import (
    quantize_depthwise,
)


@keras.saving.register_keras_serializable(package="kerastl")
class QuantizedSeparableConv2D(KernelQuantized, keras.layers.SeparableConv2D):
    """`keras.layers.SeparableConv2D` as the two convolutions that it becomes.

    Both kernels have a scale for each channel, and the map between the two
    convolutions is rounded too.

    Args:
        *args: As in `keras.layers.SeparableConv2D`.
        activation: One of `QuantizedActivation`'s names.
        per_channel: Whether each channel has a scale of its own.
        **kwargs: As in `keras.layers.SeparableConv2D`.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.depthwise_quantizer = ActivationQuantizer(
            name="depthwise_quantizer", dtype=self.dtype_policy
        )

    def build(self, input_shape):
        super().build(input_shape)
        self.depthwise_quantizer.build(None)

    def linear(self, inputs, training):
        x = ops.depthwise_conv(
            inputs,
            quantize_depthwise(self.depthwise_kernel, self),
            strides=self.strides,
            padding=self.padding,
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
