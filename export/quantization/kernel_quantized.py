"""What the layers with a quantized kernel share."""

from kerastl.export.quantization.quantized_activation import QuantizedActivation


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
