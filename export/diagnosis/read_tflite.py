"""Reads a .tflite file as a `FileGraph`."""

import pathlib

import numpy as np

from kerastl.export.runners.file_graph import FileGraph
from kerastl.export.runners.file_graph import Operation
from kerastl.export.runners.file_graph import Quantization
from kerastl.export.utils.third_party import quiet_console
from kerastl.export.utils.third_party import require


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
