"""The distance of two levels of what every call reads."""

import keras

from kerastl.export.quantization import node_kinds
from kerastl.export.quantization.quantized_activation import FIXED_RANGES
from kerastl.surgery import graph as graphs

_STEPS = 255
_SOFTMAX_SCALE = 1 / 256


def input_scales(model):
    """Returns the scale of the tensor that each call reads first.

    A bias is stored in units of this scale times that of the kernel, so that
    it tells how small the kernel's may be.

    Args:
        model: Model of `quantization_aware`, whose quantizers have seen data.

    Returns:
        Dict of `Node.key` to float: the smallest, where a nested model is
        called several times. A call that reads what was not rounded has no
        entry.

    Raises:
        ValueError: If a quantizer has seen no data.
    """
    found = {}
    _visit(model, "", (), found)
    return found


def _visit(model, path, inputs, found):
    graph = graphs.read_graph(model, path)
    scales = dict(
        zip(map(id, keras.tree.flatten(graph.inputs)), inputs, strict=False)
    )
    for node in graph.nodes:
        read = [scales.get(id(tensor)) for tensor in node.inputs]
        if graphs.is_graph(node.operation):
            written = _visit(node.operation, node.path, read, found)
        else:
            if read and read[0] is not None:
                known = found.get(node.key, read[0])
                found[node.key] = min(known, read[0])
            written = [_output_scale(node, read)] * len(node.outputs)
        scales |= zip(map(id, node.outputs), written, strict=True)
    return [scales.get(id(t)) for t in keras.tree.flatten(graph.outputs)]


def _output_scale(node, read):
    kind = node_kinds.node_kind(node)
    name = node_kinds.activation_name(node)
    if kind == node_kinds.QUANTIZER:
        return range_scale(*node.operation.range())
    if kind == node_kinds.PASSING:
        return read[0] if read else None
    if name in FIXED_RANGES:
        return range_scale(*FIXED_RANGES[name])
    return _SOFTMAX_SCALE if name == "softmax" else None


def range_scale(low, high):
    """The distance of two of the 256 levels between `low` and `high`."""
    return (high - low) / _STEPS
