"""What a kernel becomes in an int8 file, as floats."""

from keras import ops

from kerastl.export.quantization.load_quantizers import load_quantizers


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
