"""Layers with constant kernels, as the converters recognise them."""

import keras
import numpy as np
from keras import ops

from kerastl.export.quantization.exact_blurs import exact_blur
from kerastl.export.quantization.quantized_activation import fixed_quantization
from kerastl.export.quantization.quantized_activation import nudged_range
from kerastl.layers import BlurPooling2D

_LEVELS = 127
# A bias is stored in units of the kernel's scale times that of the input, in
# 32 bits, half of which are left to what is added to it. A kernel so small
# that the bias would need more adds nothing that could be seen.
_LARGEST_BIAS = 2.0**30
# Where the input was not rounded: a guess that is safe from 1e-4 on.
_UNKNOWN_SCALE = 1e-4


class FixedRange(keras.layers.Layer):
    """Rounds to the 256 levels between two constants."""

    def __init__(self, low, high, **kwargs):
        super().__init__(**kwargs)
        self.range = nudged_range(low, high)

    def call(self, inputs):
        return fixed_quantization(inputs, *self.range)

    def compute_output_shape(self, input_shape):
        # Keras takes a product with a constant for sparse, which what is
        # called above refuses: it must not be tried with such an input.
        return input_shape


class FixedKernel(keras.layers.Layer):
    """A convolution or a dense layer with a constant, rounded kernel.

    Args:
        kind: "conv", "depthwise" or "dense".
        kernel: float64 array as Keras has it; depthwise kernels have the
            shape `(rows, columns, channels, multiplier)`.
        scales: Distance of two levels, one for each output channel, or one
            for all.
        bias: float64 array, one value for each output channel, or `None`.
        input_scale: Distance of two levels of the input, `None` where that
            is not rounded.
        **options: Strides, padding and dilation of the convolution.
    """

    def __init__(
        self,
        kind,
        kernel,
        scales,
        bias=None,
        name=None,
        input_scale=None,
        **options,
    ):
        super().__init__(name=name)
        self.kind = kind
        self.options = options
        self.bias = None if bias is None else _not_uniform(np.float32(bias))
        scales = np.maximum(scales, np.finfo("float32").tiny * 1e6)
        if bias is not None:
            size = np.abs(bias) if np.size(scales) > 1 else np.abs(bias).max()
            unit = _LARGEST_BIAS * (input_scale or _UNKNOWN_SCALE)
            scales = np.maximum(scales, size / unit)
        self.kernel = np.float32(kernel)
        self.scales = np.float32(scales)

    def call(self, inputs):
        kernel = rounded_constant(self.kernel, self.scales)
        if self.kind == "dense":
            outputs = ops.matmul(inputs, kernel)
        elif self.kind == "conv":
            outputs = ops.conv(inputs, kernel, **self.options)
        else:
            kernel = ops.reshape(kernel, self.kernel.shape)
            outputs = ops.depthwise_conv(inputs, kernel, **self.options)
        return outputs if self.bias is None else outputs + self.bias


class FixedBlur(BlurPooling2D):
    """The blur with its kernel as levels that are exact multiples of it."""

    def call(self, inputs):
        x = inputs
        for i, axis in enumerate(self._spatial_axes):
            x = self._pad(x, i, axis)
        kernel = self.fixed_kernel(x.shape[-1])
        return FixedKernel.call(kernel, x)

    def fixed_kernel(self, channels):
        """The `FixedKernel` that filters the padded map."""
        kernel = np.broadcast_to(
            self._kernel[:, :, None, None], (*self.kernel_size, channels, 1)
        )
        exact = exact_blur(self.kernel_size)
        scale = self._kernel.max() / _LEVELS if exact is None else exact[1]
        return FixedKernel(
            "depthwise",
            kernel,
            np.full(channels, scale),
            strides=self.strides,
            padding="valid",
        )


def _not_uniform(bias):
    """Moves one value of a bias by the last bit where all are the same.

    The TFLite converter stores such a constant as one value, and rounds it
    for every channel with the scale of the first.
    """
    if bias.size > 1 and bias[0] and np.all(bias == bias[0]):
        bias = bias.copy()
        bias[0] = np.nextafter(bias[0], np.float32(np.inf))
    return bias


def rounded_constant(kernel, scales):
    """A constant kernel behind the operation that tells its levels.

    Depthwise kernels come out with their channels on the last axis.
    """
    import tensorflow as tf

    high = _LEVELS * scales
    if not scales.ndim:
        return tf.quantization.fake_quant_with_min_max_args(
            kernel, min=float(-high), max=float(high), narrow_range=True
        )
    if kernel.shape[-1] != scales.size:
        kernel = kernel.reshape(*kernel.shape[:2], 1, scales.size)
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(
        kernel, -high, high, narrow_range=True
    )
