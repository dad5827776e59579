"""Activation functions as integer kernels compute them."""

import keras
from keras import ops

from kerastl.export.quantization.activation_quantizer import ActivationQuantizer
from kerastl.export.quantization.load_quantizers import load_quantizers

#: Part of the layer before: only their output is rounded.
FUSED = ("linear", "relu", "relu6")
#: Their output has the range that the integer kernels fix.
FIXED_RANGES = {
    "sigmoid": (0.0, 255 / 256),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 127 / 128),
}
#: Their output is rounded by whoever reads it.
UNBOUNDED = ("silu", "hard_silu")
SUPPORTED = (*FUSED, *FIXED_RANGES, *UNBOUNDED, "softmax")


@keras.saving.register_keras_serializable(package="kerastl")
class QuantizedActivation(keras.layers.Layer):
    """An activation function, with the rounding inside it simulated.

    `sigmoid` and its like return values in a range that the integer kernels
    fix; `silu` multiplies its input by such a rounded sigmoid. The output of
    `softmax` is not rounded: its gradient would vanish where it saturates.

    Args:
        activation: Name of the function, one of "linear", "relu", "relu6",
            "sigmoid", "hard_sigmoid", "tanh", "silu", "hard_silu" and
            "softmax".
        quantize_input: Whether the input is rounded first where the function
            is a kernel of its own; `False` where it is rounded already.
        **kwargs: `name`, `dtype` and so on.

    Input shape:
        Any.

    Output shape:
        As the input.

    Example:

    >>> gate = QuantizedActivation("sigmoid")
    >>> 256 * gate(np.array([0.3]))
    """

    def __init__(self, activation="linear", quantize_input=False, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation
        self.quantize_input = quantize_input
        self.input_quantizer = None
        if quantize_input and activation not in FUSED:
            self.input_quantizer = ActivationQuantizer(
                name="input_quantizer", dtype=self.dtype_policy
            )

    def build(self, input_shape):
        if self.input_quantizer is not None:
            self.input_quantizer.build(input_shape)

    def call(self, inputs, training=None):
        x = inputs
        if self.input_quantizer is not None:
            x = self.input_quantizer(x, training=training)
        return apply_activation(self.activation, x)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "activation": self.activation,
            "quantize_input": self.quantize_input,
        }


def apply_activation(name, x):
    """Computes one of `SUPPORTED` with the rounding inside it."""
    if name == "silu":
        return x * apply_activation("sigmoid", x)
    if name == "hard_silu":
        # Written so that the converter sees one HARD_SWISH.
        return x * ops.relu6(x + 3.0) * (1 / 6)
    outputs = getattr(keras.activations, name)(x)
    if name not in FIXED_RANGES:
        return outputs
    return ops.cast(
        fixed_quantization(ops.cast(outputs, "float32"), *FIXED_RANGES[name]),
        outputs.dtype,
    )


def fixed_quantization(x, low, high):
    """Rounds a float32 tensor to 256 levels between two constants."""
    quantizer = load_quantizers().FixedQuantizer(
        num_bits=8, init_min=low, init_max=high, narrow_range=False
    )
    return quantizer(x, training=False, weights=None)
