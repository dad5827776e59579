"""How much memory the activations need, from when each of them lives."""

import dataclasses

# TensorFlow Lite Micro aligns every buffer to this.
_ALIGNMENT = 16
# What TensorFlow Lite Micro keeps beside the activations, in bytes, taken
# from its recording allocator on a 64-bit host; a 32-bit controller needs
# less. Quantization parameters of a channel are a multiplier and a shift.
_PER_TENSOR = 24
_PER_OPERATOR = 192
_PER_CHANNEL = 8
_PER_CHANNEL_OPERATORS = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "TRANSPOSE_CONV",
)
_INT16_SOFTMAX_TABLES = 2560
_FIXED = 1536
_ROUND_TO = 1024


@dataclasses.dataclass(frozen=True)
class ArenaPlan:
    """Where the activations of a graph lie in one piece of memory.

    Attributes:
        activation_bytes: End of the last buffer: the peak.
        arena_bytes: The peak and what TensorFlow Lite Micro keeps beside
            it, rounded up: the size of a tensor arena.
        offsets: Dictionary of tensor index to offset.
        lifetimes: Dictionary of tensor index to the first and the last
            operator that it is needed for.
    """

    activation_bytes: int
    arena_bytes: int
    offsets: dict
    lifetimes: dict


def plan_arena(graph):
    """Plans the memory of the activations of a graph.

    A tensor lives from the operator that writes it to the last that reads
    it; the inputs from the start, the outputs to the end. Buffers are
    aligned to 16 bytes and placed from the largest to the smallest, of equal
    ones the later first, each in the first gap among those that live at the
    same time: what TensorFlow Lite Micro's greedy planner does. Scratch
    memory of the kernels is not part of it.

    Args:
        graph: `LitertGraph`.

    Returns:
        An `ArenaPlan`.
    """
    lifetimes = _lifetimes(graph)
    sizes = {
        index: _align(graph.tensors[index].size_bytes) for index in lifetimes
    }
    offsets = {}
    for index in sorted(lifetimes, key=lambda index: (-sizes[index], -index)):
        beside = [
            other
            for other in offsets
            if _overlap(lifetimes[index], lifetimes[other])
        ]
        offset = 0
        for other in sorted(beside, key=offsets.get):
            if offset + sizes[index] <= offsets[other]:
                break
            offset = max(offset, offsets[other] + sizes[other])
        offsets[index] = offset
    peak = max((offsets[each] + sizes[each] for each in offsets), default=0)
    needed = peak + _overhead(graph)
    return ArenaPlan(
        activation_bytes=peak,
        arena_bytes=-(-needed // _ROUND_TO) * _ROUND_TO,
        offsets=offsets,
        lifetimes=lifetimes,
    )


def _lifetimes(graph):
    lifetimes = {index: (0, 0) for index in graph.inputs}
    unpacked = _unpacked_weights(graph)
    for time, operator in enumerate(graph.operators):
        for index in (*operator.inputs, *operator.outputs):
            if not graph.tensors[index].constant and index not in unpacked:
                first, _ = lifetimes.get(index, (time, time))
                lifetimes[index] = (first, time)
    for index in graph.outputs:
        if index in lifetimes:
            lifetimes[index] = (lifetimes[index][0], len(graph.operators))
    return lifetimes


def _unpacked_weights(graph):
    """Finds what is computed from the file alone: float16 weights."""
    return {
        index
        for operator in graph.operators
        if all(graph.tensors[index].constant for index in operator.inputs)
        for index in operator.outputs
    }


def _overlap(one, other):
    return one[0] <= other[1] and other[0] <= one[1]


def _align(size):
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _overhead(graph):
    channels = 0
    tables = 0
    for operator in graph.operators:
        if operator.name in _PER_CHANNEL_OPERATORS:
            channels += graph.tensors[operator.outputs[0]].shape[-1]
        elif operator.name == "SOFTMAX":
            tables += graph.operator_type(operator) == "int16"
    return (
        _FIXED
        + _PER_TENSOR * len(graph.tensors)
        + _PER_OPERATOR * len(graph.operators)
        + _PER_CHANNEL * channels
        + _INT16_SOFTMAX_TABLES * tables
    )
