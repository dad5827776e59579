"""Where an 8-bit file rounds: which calls are computed together."""

import keras

from kerastl.export.quantization import node_kinds
from kerastl.export.quantization.quantized_activation import FIXED_RANGES
from kerastl.export.quantization.quantized_activation import FUSED
from kerastl.surgery import graph as graphs

# Kernels that a ReLU behind them becomes a part of.
_TAKE_RELU = (node_kinds.KERNEL, node_kinds.AFFINE, node_kinds.MERGE)


def rounds_output(graph, node):
    """Whether the output of a call has levels of its own.

    The rules of tensorflow-model-optimization's default 8-bit scheme: a
    convolution, the normalization behind it and the ReLU behind that are one
    kernel and round once; what only a concatenation reads is rounded to the
    levels of the concatenation.
    """
    kind = node_kinds.node_kind(node)
    if kind in (
        node_kinds.PASSING,
        node_kinds.NESTED,
        node_kinds.QUANTIZER,
    ):
        return False
    name = node_kinds.activation_name(node)
    if name == "softmax" or name in FIXED_RANGES:
        return False
    reader = _sole_reader(graph, node)
    if reader is None:
        return True
    if fuses(node, reader):
        return False
    joins = node_kinds.node_kind(reader) == node_kinds.CONCATENATION
    return not (joins and (kind in _TAKE_RELU or _joined(kind, name)))


def fuses(node, reader):
    """Whether the only reader of a call is computed by the same kernel."""
    kind = node_kinds.node_kind(node)
    if kind not in _TAKE_RELU:
        return False
    name = node_kinds.activation_name(node)
    if kind == node_kinds.KERNEL and name != "linear":
        return False
    if node_kinds.node_kind(reader) == node_kinds.AFFINE:
        # Constants that make several channels of one need a kernel.
        same = node.outputs[0].shape == reader.outputs[0].shape
        return same and kind != node_kinds.MERGE
    return node_kinds.activation_name(reader) in ("relu", "relu6") and (
        node_kinds.node_kind(reader) == node_kinds.ACTIVATION
    )


def affine_chain(graph, node):
    """The affine calls behind `node` that are computed by the same kernel."""
    chain = []
    while True:
        reader = _sole_reader(graph, node)
        if (
            reader is None
            or node_kinds.node_kind(reader) != node_kinds.AFFINE
            or not fuses(node, reader)
        ):
            return chain
        chain.append(reader)
        node = reader


def _sole_reader(graph, node):
    """The only call that reads the output of `node`, or `None`."""
    if len(node.outputs) != 1 or graph.is_output(node.outputs[0]):
        return None
    readers = graph.readers(node.outputs[0])
    return readers[0] if len(readers) == 1 else None


def _joined(kind, name):
    return kind == node_kinds.CONCATENATION or (
        kind == node_kinds.ACTIVATION and name in FUSED
    )


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
