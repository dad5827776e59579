"""Takes the rounding error out of the blurs of an ONNX graph."""

import numpy as np

from kerastl.export.quantization.exact_blur import match_blur


def exact_onnx_blurs(model):
    """Makes the int8 blur kernels of a quantized model exact, in place.

    See `exact_blur`.

    Args:
        model: `onnx.ModelProto` with Q/DQ nodes.
    """
    from onnx import numpy_helper

    constants = {each.name: each for each in model.graph.initializer}
    producers = {
        name: node for node in model.graph.node for name in node.output
    }
    changed = {}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        kernel, *bias = (
            _dequantized(producers.get(name), constants)
            for name in node.input[1:]
        )
        if kernel is None:
            continue
        levels, scales = map(numpy_helper.to_array, kernel)
        if levels.dtype != np.int8 or levels.shape[1:2] != (1,):
            continue
        match = match_blur(levels[:, 0].transpose(1, 2, 0))
        if match is None or np.all(match[1] == 1) or scales.ndim == 0:
            continue
        exact, factors = match
        changed[kernel[0].name] = exact.transpose(2, 0, 1)[:, None]
        changed[kernel[1].name] = (scales * factors).astype(scales.dtype)
        if bias and bias[0]:
            levels, scales = map(numpy_helper.to_array, bias[0])
            changed[bias[0][0].name] = np.rint(levels / factors).astype(
                levels.dtype
            )
            changed[bias[0][1].name] = (scales * factors).astype(scales.dtype)
    for name, array in changed.items():
        constants[name].CopyFrom(
            numpy_helper.from_array(np.ascontiguousarray(array), name)
        )


def _dequantized(node, constants):
    """Levels and scales that a `DequantizeLinear` of constants reads."""
    if node is None or node.op_type != "DequantizeLinear":
        return None
    pair = [constants.get(name) for name in node.input[:2]]
    return None if None in pair else pair
