"""Blur kernels that 8 bits hold exactly, and the files that store them."""

import pathlib

import numpy as np

from kerastl.export.utils.third_party import require
from kerastl.layers import blur_grid

_LARGEST = 127
_SIZES = range(2, 7)
# What rounding moves a level by at most.
_ROUNDED = 0.5 + 1e-6


def exact_blur(kernel_size):
    """Returns a blur kernel as int8 levels, with their scale.

    A converter makes the largest tap 127, and the others come out between two
    integers: three taps then sum to 1.0059 and four to 0.9966, a gain that
    every blur of a network repeats. With the largest multiple that fits, the
    sum is 1: 31/496 of 1 2 1, 14/896 of 1 3 3 1, 3/768 of 1 4 6 4 1.

    Args:
        kernel_size: Pair of taps (vertical, horizontal).

    Returns:
        `(levels, scale)`, an int8 array of that shape and a float; `None`
        where no multiple fits, as with seven taps.
    """
    rows, columns = (
        np.asarray(blur_grid.binomial(taps)) * 2 ** (taps - 1)
        for taps in kernel_size
    )
    levels = np.outer(rows, columns)
    multiple = _LARGEST // int(levels.max())
    if not multiple:
        return None
    levels *= multiple
    return levels.astype("int8"), 1 / float(levels.sum())


def match_blur(levels):
    """Returns the exact kernel that rounded `levels` stand for, or `None`.

    Args:
        levels: int8 array `(rows, columns, channels)`. A channel may be
            negative: a BatchNormalization with such a factor was folded in.

    Returns:
        `(levels, factors)`: the exact int8 levels, and for each channel the
        factor to multiply its scale with.
    """
    rows, columns, _ = levels.shape
    if rows == columns == 1 or not {rows, columns} <= {1, *_SIZES}:
        return None
    found = exact_blur((rows, columns))
    if found is None:
        return None
    exact = found[0].astype("float64")
    # A level is the exact value rounded, and largest where the scale is set.
    largest = np.abs(levels).max((0, 1)).astype("float64")
    signs = np.sign(levels.astype("int64").sum((0, 1)))
    rounded = signs * exact[:, :, None] * (largest / exact.max())
    if not largest.min() or np.abs(rounded - levels).max() > _ROUNDED:
        return None
    exact_levels = (signs * exact[:, :, None]).astype("int8")
    return exact_levels, largest / exact.max()


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
    written = set()
    for kernel in kernels:
        kernel.write(written)
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

    def write(self, written):
        """Writes the kernel, and what is scaled with it once.

        The converter merges kernels that are equal: several operators read
        one tensor.

        Args:
            written: Set of the places that were scaled, which grows.
        """
        self._levels[:] = self._exact.ravel()
        factors = self._factors[: self._scales.size]
        if _is_new(self._scales, written):
            self._scales *= factors.astype("float32")
        if self._bias is None:
            return
        model, tensor = self._bias
        quantization = tensor.Quantization()
        if quantization is None or not quantization.ScaleLength():
            return  # a float bias
        scales = quantization.ScaleAsNumpy()
        if _is_new(scales, written):
            scales *= factors.astype("float32")
        dtype = {4: "int32", 8: "int64"}
        levels = model.Buffers(tensor.Buffer()).DataAsNumpy()
        levels = levels.view(dtype[levels.size // tensor.Shape(0)])
        if _is_new(levels, written):
            levels[:] = np.rint(levels / self._factors).astype(levels.dtype)


def _is_new(view, written):
    """Whether nobody wrote to where a view lies; from now on somebody did."""
    place = view.__array_interface__["data"][0]
    known = place in written
    written.add(place)
    return not known


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
