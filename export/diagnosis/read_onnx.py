"""Reads an .onnx file as a `FileGraph`."""

import numpy as np

from kerastl.export.runners.file_graph import FileGraph
from kerastl.export.runners.file_graph import Operation
from kerastl.export.runners.file_graph import Quantization
from kerastl.export.utils.third_party import require


def read_onnx(path):
    """Returns the `FileGraph` of an .onnx file, float or QDQ.

    Tensors between operators are made outputs, so that onnxruntime keeps
    them; each operator then computes what its QDQ form says.
    """
    onnx = require("onnx", "onnx")
    runtime = require("onnxruntime", "onnxruntime")
    model = onnx.load(path)
    graph = model.graph
    constants = {
        each.name: onnx.numpy_helper.to_array(each)
        for each in graph.initializer
    }
    # A tensor is as coarse as the operator that rounds to, or from, integers.
    roundings = {}
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            roundings[node.output[0]] = _quantization(node, constants)
    [source] = [each for each in graph.input if each.name not in constants]
    [result] = graph.output
    sessions = {}

    def values(images, tensors):
        if not sessions:
            outputs = {each.name for each in graph.output}
            graph.output.extend(
                onnx.helper.make_empty_tensor_value_info(tensor)
                for tensor in tensors
                if tensor not in outputs
            )
            options = runtime.SessionOptions()
            options.log_severity_level = 4
            sessions["all"] = runtime.InferenceSession(
                model.SerializeToString(),
                options,
                providers=["CPUExecutionProvider"],
            )
        found = sessions["all"].run(tensors, {source.name: images})
        return dict(zip(tensors, found, strict=True))

    return FileGraph(
        [
            Operation(each.op_type, tuple(each.input), tuple(each.output))
            for each in graph.node
        ],
        source=source.name,
        result=result.name,
        name=str,
        quantization=roundings.get,
        values=values,
        qdq=True,
    )


def _quantization(node, constants):
    scale = constants.get(node.input[1])
    if scale is None or scale.size != 1:
        return None  # weights with a scale per channel
    zero_point = np.uint8(0)
    if len(node.input) > 2 and node.input[2]:
        zero_point = constants[node.input[2]]
    limits = np.iinfo(zero_point.dtype)
    return Quantization(
        float(scale), int(zero_point), (int(limits.min), int(limits.max))
    )
