"""Layers that round their kernels in training as an int8 file stores them."""

import keras
from keras import ops

from kerastl.export.quantization.quantized_activation import ActivationQuantizer
from kerastl.export.quantization.quantized_activation import QuantizedActivation
from kerastl.export.quantization.quantized_activation import load_quantizers
from kerastl.layers import BlurredConv2D
from kerastl.layers import BlurredDepthwiseConv2D
from kerastl.layers import BlurredSeparableConv2D


class KernelQuantized:
    """Mixin for a Keras layer with a kernel and an activation.

    The activation becomes a `QuantizedActivation`; the Keras layer computes
    its linear part. It has the variables of the Keras layer first, and after
    them those of the ranges that it may need inside.

    Args:
        *args: As in the Keras layer.
        activation: One of `QuantizedActivation`'s names.
        per_channel: Whether each channel of the kernel has a scale of its
            own; a `Dense` has one for all in any case.
        **kwargs: As in the Keras layer.
    """

    def __init__(self, *args, activation=None, per_channel=True, **kwargs):
        super().__init__(*args, activation=None, **kwargs)
        self.per_channel = per_channel
        self.quantized_activation = QuantizedActivation(
            activation or "linear",
            quantize_input=True,
            name="activation",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        super().build(input_shape)
        self.quantized_activation.build(self.compute_output_shape(input_shape))

    def call(self, inputs, training=None):
        outputs = self.linear(inputs, training)
        return self.quantized_activation(outputs, training=training)

    def linear(self, inputs, training):
        """The layer without its activation, with rounded kernels."""
        raise NotImplementedError

    def get_config(self):
        return {
            **super().get_config(),
            "activation": self.quantized_activation.activation,
            "per_channel": self.per_channel,
        }


def quantize_kernel(kernel, layer, per_channel):
    """Rounds a kernel to 255 levels, symmetric around zero.

    `LastValueQuantizer` of tensorflow-model-optimization, with the range of
    the kernel as it is now: there are no range variables that could lag
    behind it, so the layer has the variables of the float one.

    Args:
        kernel: Variable or tensor.
        layer: The layer that it belongs to, for the dtype to compute in.
        per_channel: Whether every index of the last axis has a range.

    Returns:
        Tensor of the layer's compute dtype.
    """
    quantizer = load_quantizers().LastValueQuantizer(
        num_bits=8, per_axis=per_channel, symmetric=True, narrow_range=True
    )
    quantized = quantizer(
        ops.cast(ops.convert_to_tensor(kernel), "float32"),
        training=True,
        weights={"min_var": _Range(), "max_var": _Range()},
    )
    return ops.cast(quantized, layer.compute_dtype)


class _Range:
    """Stands for a range variable that is assigned and then read."""

    def assign(self, value, name=None):
        del name
        return ops.stop_gradient(value)


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


@keras.saving.register_keras_serializable(package="kerastl")
class QuantizedDense(KernelQuantized, keras.layers.Dense):
    """`keras.layers.Dense` with an int8 kernel, one scale for all of it.

    Args:
        *args: As in `keras.layers.Dense`.
        activation: One of `QuantizedActivation`'s names.
        **kwargs: As in `keras.layers.Dense`.
    """

    def linear(self, inputs, training):
        kernel = quantize_kernel(self.kernel, self, per_channel=False)
        outputs = ops.matmul(inputs, kernel)
        return outputs if self.bias is None else ops.add(outputs, self.bias)


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
            _quantize_depthwise(self.kernel, self),
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
        return _quantize_depthwise(super().blurred(kernel), self)


def _quantize_depthwise(kernel, layer):
    """Rounds a kernel `(rows, columns, channels, multiplier)`."""
    rows, columns, channels, multiplier = kernel.shape
    flat = ops.reshape(kernel, (rows, columns, 1, channels * multiplier))
    flat = quantize_kernel(flat, layer, layer.per_channel)
    return ops.reshape(flat, kernel.shape)


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
        return _quantize_depthwise(self.depthwise_kernel, self)


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
        return _quantize_depthwise(self.blurred(self.depthwise_kernel), self)
