"""Training that knows how an int8 file rounds, and exact fixed kernels."""

from kerastl.export.quantization.activation_quantizer import ActivationQuantizer
from kerastl.export.quantization.quantized_activation import QuantizedActivation
from kerastl.export.quantization.quantized_conv_2d import QuantizedConv2D
from kerastl.export.quantization.quantized_dense import QuantizedDense
from kerastl.export.quantization.quantized_depthwise_conv_2d import (
    QuantizedDepthwiseConv2D,
)
from kerastl.export.quantization.quantized_separable_conv_2d import (
    QuantizedSeparableConv2D,
)

__all__ = [
    "ActivationQuantizer",
    "QuantizedActivation",
    "QuantizedConv2D",
    "QuantizedDense",
    "QuantizedDepthwiseConv2D",
    "QuantizedSeparableConv2D",
]
