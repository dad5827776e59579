"""What a file computes, and in which numbers."""

import math

from kerastl.export.keras_files.load_keras_file import load_keras_file
from kerastl.export.runners.runner import FORMATS
from kerastl.surgery.count_multiply_adds import count_multiply_adds


def describe_file(path):
    """Returns the multiply-adds of one image, and the precision of a file.

    Args:
        path: A `pathlib.Path` of a .keras, .tflite or .onnx file.

    Returns:
        Dictionary of `multiply_adds` (`None` where a size is not known) and
        `precision`: "float32", "float16", "dynamic", "int8", "int4" or
        "int16x8" as in `kerastl.export.SCHEMES`, or "mixed".
    """
    describe = {
        "keras": _describe_keras,
        "tflite": _describe_tflite,
        "onnx": _describe_onnx,
    }[FORMATS[path.suffix]]
    multiply_adds, precision = describe(path)
    return {"multiply_adds": multiply_adds, "precision": precision}


def _describe_keras(path):
    model = load_keras_file(path)
    return count_multiply_adds(model), model.dtype_policy.name


def _describe_tflite(path):
    from kerastl.export.targets.litert_graph import count_graph_multiply_adds
    from kerastl.export.targets.litert_graph import read_litert_graph

    graph = read_litert_graph(path)
    counts = count_graph_multiply_adds(graph)
    heavy = [
        operator
        for operator, count in zip(graph.operators, counts, strict=True)
        if count
    ]
    types = {graph.operator_type(operator) for operator in heavy}
    constants = {
        tensor.dtype
        for tensor in graph.tensors
        if tensor.constant and tensor.dtype in ("float16", "int8", "int4")
    }
    if types == {"float32"}:
        precision = {
            frozenset(): "float32",
            frozenset({"float16"}): "float16",
            frozenset({"int8"}): "dynamic",
        }.get(frozenset(constants), "mixed")
    else:
        precision = {
            frozenset({"int8"}): "int4" if "int4" in constants else "int8",
            frozenset({"int16"}): "int16x8",
        }.get(frozenset(types), "mixed")
    return sum(counts), precision


def _describe_onnx(path):
    import onnx

    model = onnx.load(path)
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        tensor.name: [
            size.dim_value if size.HasField("dim_value") else None
            for size in tensor.type.tensor_type.shape.dim
        ]
        for tensor in (*graph.input, *graph.value_info, *graph.output)
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    kinds = {node.op_type for node in graph.node}
    precision = "int8" if "QuantizeLinear" in kinds else "float32"
    try:
        counts = [
            _ONNX_COUNTERS[node.op_type](
                [shapes[name] for name in node.input[:2]],
                shapes[node.output[0]],
                node,
            )
            for node in graph.node
            if node.op_type in _ONNX_COUNTERS
        ]
    except (KeyError, TypeError):  # a size that is known at run time only
        return None, precision
    return sum(counts), precision


def _onnx_convolution(inputs, output, _):
    # The kernel is (output channels, input channels a group, *window).
    return math.prod(output[1:]) * math.prod(inputs[1][1:])


def _onnx_transposed(inputs, output, _):
    # The kernel is (input channels, output channels a group, *window).
    return math.prod(inputs[0][1:]) * math.prod(inputs[1][1:])


def _onnx_product(inputs, output, node):
    across = any(
        attribute.name == "transB" and attribute.i
        for attribute in node.attribute
    )
    depth = inputs[1][-1] if across else inputs[1][-2]
    return math.prod(output[1:]) * depth


_ONNX_COUNTERS = {
    "Conv": _onnx_convolution,
    "ConvTranspose": _onnx_transposed,
    "Gemm": _onnx_product,
    "MatMul": _onnx_product,
}
