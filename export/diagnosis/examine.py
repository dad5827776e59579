"""Runs a file beside its Keras model, layer by layer."""

import dataclasses
import pathlib

import numpy as np

from kerastl.export.diagnosis.layer_statistics import LayerStatistics
from kerastl.export.diagnosis.match_layers import match_layers
from kerastl.export.runners.file_graph import FileGraph
from kerastl.export.runners.file_graph import Operation
from kerastl.export.runners.file_graph import Quantization
from kerastl.export.runners.keras_calls import keras_calls
from kerastl.export.utils.third_party import quiet_console
from kerastl.export.utils.third_party import require

_NUM_MATCHING = 2
# Values that are held at once, of both graphs together.
_MOST_VALUES = 50_000_000


@dataclasses.dataclass(frozen=True)
class Examination:
    """What came out, by the place of a layer's output.

    Attributes:
        rows: Dict of place to `LayerError`, the worst first.
        matches: Dict of place to `Match`.
        file: `FileGraph`.
    """

    rows: dict
    matches: dict
    file: FileGraph


def examine(model, path, images):
    """Measures the error of each layer of a model in a file.

    Args:
        model: Functional model that the file was written from, lowered.
        path: `pathlib.Path` of the .tflite or .onnx file.
        images: Array of images.

    Returns:
        An `Examination`.
    """
    calls, output = keras_calls(model)
    file = READERS[path.suffix](path)
    matches = match_layers(calls, output, file, images[:_NUM_MATCHING])
    statistics = LayerStatistics(calls, output, matches)
    size = _batch_size(file, images)
    for start in range(0, len(images), size):
        batch = images[start : start + size]
        statistics.update(batch, file.run(batch))
    rows = sorted(
        statistics.result().items(),
        key=lambda item: (item[1].output_sqnr, item[1].sqnr),
    )
    return Examination(dict(rows), matches, file)


def _batch_size(file, images):
    one = sum(value.size for value in file.run(images[:1]).values())
    # The file's, Keras's own, and Keras's from the file's.
    return int(np.clip(_MOST_VALUES // (3 * one), 1, len(images)))


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


def read_tflite(path):
    """Returns the `FileGraph` of a .tflite file.

    The file runs in LiteRT's own kernels, without the delegate: that would
    keep the values between operators to itself.
    """
    litert = require("ai_edge_litert.interpreter", "ai-edge-litert")
    resolvers = litert.OpResolverType
    with quiet_console():
        interpreter = litert.Interpreter(
            model_content=pathlib.Path(path).read_bytes(),
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=(
                resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
        )
        interpreter.allocate_tensors()
    details = {each["index"]: each for each in interpreter.get_tensor_details()}
    [tensor_in] = interpreter.get_input_details()
    [tensor_out] = interpreter.get_output_details()
    batch_size = int(tensor_in["shape"][0])

    def quantization(tensor):
        parameters = details[tensor]["quantization_parameters"]
        limits = details[tensor]["dtype"]
        if len(parameters["scales"]) != 1 or limits is np.float32:
            return None
        limits = np.iinfo(limits)
        return Quantization(
            float(parameters["scales"][0]),
            int(parameters["zero_points"][0]),
            (int(limits.min), int(limits.max)),
        )

    def values(images, tensors):
        parts = {tensor: [] for tensor in tensors}
        into = quantization(tensor_in["index"])
        if into is not None:
            images = images / into.scale + into.zero_point
            images = np.clip(np.rint(images), *into.levels)
        images = images.astype(tensor_in["dtype"])
        for start in range(0, len(images), batch_size):
            part = images[start : start + batch_size]
            fill = np.repeat(part[:1], batch_size - len(part), axis=0)
            interpreter.set_tensor(
                tensor_in["index"], np.concatenate([part, fill])
            )
            interpreter.invoke()
            for tensor in tensors:
                array = interpreter.get_tensor(tensor)[: len(part)]
                parts[tensor].append(_dequantized(array, quantization(tensor)))
        return {tensor: np.concatenate(each) for tensor, each in parts.items()}

    return FileGraph(
        [
            Operation(
                each["op_name"],
                tuple(map(int, each["inputs"])),
                tuple(map(int, each["outputs"])),
            )
            for each in interpreter._get_ops_details()
        ],
        source=int(tensor_in["index"]),
        result=int(tensor_out["index"]),
        name=lambda tensor: details[tensor]["name"],
        quantization=quantization,
        values=values,
    )


def _dequantized(array, rounding):
    array = array.astype("float32")
    if rounding is None:
        return array
    return (array - rounding.zero_point) * np.float32(rounding.scale)


READERS = {".tflite": read_tflite, ".onnx": read_onnx}
