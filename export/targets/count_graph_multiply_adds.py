"""What a .tflite file computes for one image."""

import math


def count_graph_multiply_adds(graph):
    """Counts the multiply-adds of a graph, operator by operator.

    Convolutions (plain, depthwise, transposed), matrix products and the
    products of tensors with weights are counted, as
    `kerastl.count_multiply_adds` does for a Keras model; additions,
    activations and poolings are not.

    Args:
        graph: `LitertGraph`.

    Returns:
        List of counts, one an operator, in order.
    """
    return [
        _COUNTERS.get(operator.name, _nothing)(
            [graph.tensors[index] for index in operator.inputs],
            graph.tensors[operator.outputs[0]],
        )
        for operator in graph.operators
    ]


def _nothing(inputs, output):
    return 0


def _convolution(inputs, output):
    # The kernel is (output channels, height, width, input channels a group).
    return output.elements * math.prod(inputs[1].shape[1:])


def _depthwise(inputs, output):
    # The kernel is (1, height, width, channels).
    return output.elements * math.prod(inputs[1].shape[1:3])


def _transposed(inputs, output):
    # The inputs are the output's shape, the kernel (output channels, height,
    # width, input channels) and the image.
    return inputs[2].elements * math.prod(inputs[1].shape[:3])


def _matrix_product(inputs, output):
    return output.elements * inputs[1].shape[-1]


def _batch_product(inputs, output):
    return output.elements * inputs[0].shape[-1]


_COUNTERS = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _matrix_product,
    "BATCH_MATMUL": _batch_product,
}
