"""A dense layer that trains with the kernel that its int8 file has."""

import keras
from keras import ops

from kerastl.export.quantization.kernel_quantized import KernelQuantized
from kerastl.export.quantization.quantize_kernel import quantize_kernel


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
