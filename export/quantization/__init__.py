"""Training that knows how an int8 file rounds, and exact fixed kernels."""

from kerastl.export.quantization.quantized_activation import ActivationQuantizer
from kerastl.export.quantization.quantized_activation import QuantizedActivation
from kerastl.export.quantization.quantized_layers import QuantizedConv2D
from kerastl.export.quantization.quantized_layers import QuantizedDense
from kerastl.export.quantization.quantized_layers import (
    QuantizedDepthwiseConv2D,
)
from kerastl.export.quantization.quantized_layers import (
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
