"""Takes the rounding error out of the blurs of a TFLite file."""

import pathlib

import numpy as np

from kerastl.export.quantization.exact_blur import match_blur
from kerastl.export.utils.third_party import require


def exact_tflite_blurs(path):
    """Makes the int8 blur kernels of a file exact, in place.

    See `exact_blur`. Levels, scales and biases keep their size, so nothing
    else in the file moves.

    Args:
        path: A .tflite file.
    """
    schema = require("ai_edge_litert.schema_py_generated", "ai-edge-litert")
    path = pathlib.Path(path)
    content = bytearray(path.read_bytes())
    model = schema.Model.GetRootAs(content)
    # Kernels may share a buffer: all are matched before one is changed.
    kernels = _find_blurs(model, schema)
    for kernel in kernels:
        kernel.write()
    if kernels:
        path.write_bytes(content)


class _Blur:
    """One kernel in the file, as views that write through."""

    def __init__(self, model, graph, operator, kernel, match):
        self._levels = _levels(model, kernel)
        self._scales = kernel.Quantization().ScaleAsNumpy()
        self._exact, self._factors = match
        self._bias = None
        if operator.InputsLength() > 2 and operator.Inputs(2) >= 0:
            self._bias = model, graph.Tensors(operator.Inputs(2))

    def write(self):
        self._levels[:] = self._exact.ravel()
        factors = self._factors[: self._scales.size]
        self._scales *= factors.astype("float32")
        if self._bias is None:
            return
        model, tensor = self._bias
        quantization = tensor.Quantization()
        if quantization is None or not quantization.ScaleLength():
            return  # a float bias
        quantization.ScaleAsNumpy()[:] *= factors.astype("float32")
        dtype = {4: "int32", 8: "int64"}
        levels = model.Buffers(tensor.Buffer()).DataAsNumpy()
        levels = levels.view(dtype[levels.size // tensor.Shape(0)])
        levels[:] = np.rint(levels / self._factors).astype(levels.dtype)


def _find_blurs(model, schema):
    found = []
    for index in range(model.SubgraphsLength()):
        graph = model.Subgraphs(index)
        for number in range(graph.OperatorsLength()):
            operator = graph.Operators(number)
            code = model.OperatorCodes(operator.OpcodeIndex())
            if code.BuiltinCode() != schema.BuiltinOperator.DEPTHWISE_CONV_2D:
                continue
            kernel = graph.Tensors(operator.Inputs(1))
            levels = _levels(model, kernel)
            if kernel.Type() != schema.TensorType.INT8 or levels is None:
                continue
            match = match_blur(levels.reshape(kernel.ShapeAsNumpy()[1:]))
            if match is None or _cannot_scale(kernel, match[1]):
                continue
            found.append(_Blur(model, graph, operator, kernel, match))
    return [blur for blur in found if np.any(blur._factors != 1)]


def _levels(model, tensor):
    buffer = model.Buffers(tensor.Buffer())
    if not buffer.DataLength():
        return None
    return buffer.DataAsNumpy().view("int8")


def _cannot_scale(kernel, factors):
    """Whether the channels need several factors and share one scale."""
    shared = kernel.Quantization().ScaleLength() == 1
    return shared and np.any(factors != factors[0])
