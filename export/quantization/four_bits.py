"""Weights of four bits: which kernels have them, and their form in a file."""

import collections
import pathlib

import keras
import numpy as np

from kerastl.export.utils.model_bytes import model_bytes
from kerastl.export.utils.third_party import require
from kerastl.surgery.find_kernels import find_kernels
from kerastl.surgery.rebuild import copy_model

#: From -7 to 7, as a scale without a zero point needs it.
LARGEST = 7
_LARGEST_BYTE = 127
# Of a level of eight bits: what one of four may be off after its rounding.
_ROUNDED = 0.51
# The first versions of the operators that read four bits:
# tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc.
_VERSIONS = {"CONV_2D": 7, "FULLY_CONNECTED": 10}


def has_four_bits(layer, form):
    """Whether the kernel of a layer gets four bits.

    Args:
        layer: Keras layer.
        form: "products": dense layers, and 1x1 convolutions that leave no
            pixel out, which are dense layers of every pixel. "convolutions":
            those convolutions only.
    """
    if isinstance(layer, keras.layers.Dense):
        return form == "products"
    return (
        isinstance(layer, keras.layers.Conv2D)
        and not isinstance(layer, keras.layers.DepthwiseConv2D)
        and tuple(layer.kernel_size) == tuple(layer.strides) == (1, 1)
        and layer.groups == 1
    )


def four_bit_copy(model, form):
    """Returns a copy whose kernels are rounded to what four bits hold.

    Every output channel has a scale, so that its largest weight is level 7.
    Kernels that are there already stay as they are.

    Args:
        model: Functional model.
        form: As in `has_four_bits`.
    """
    copy = copy_model(model)
    for kernel in find_kernels(copy):
        if not has_four_bits(kernel.layer, form):
            continue
        weights = kernel.numpy().astype("float64")
        scales = np.abs(weights).max(axis=tuple(range(weights.ndim - 1)))
        scales = np.where(scales > 0, scales, 1.0) / LARGEST
        kernel.variable.assign(np.rint(weights / scales) * scales)
    return copy


def pack_four_bits(path, form):
    """Gives the kernels of an int8 file that hold four bits that form.

    Two weights share a byte. As "products", 1x1 convolutions become
    FULLY_CONNECTED operators, whose four bits XNNPACK computes with; of
    CONV_2D it takes none, and TensorFlow Lite Micro takes CONV_2D alone.
    Kernels of eight bits, and those that several operators share, stay.

    Args:
        path: A .tflite file, rewritten in place.
        form: As in `has_four_bits`.
    """
    schema = require("ai_edge_litert.schema_py_generated", "ai-edge-litert")
    path = pathlib.Path(path)
    content = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    packer = _Packer(model, schema, form)
    for operator in model.subgraphs[0].operators:
        packer.pack(operator)
    path.write_bytes(model_bytes(model, len(content)))


class _Packer:
    def __init__(self, model, schema, form):
        self._model = model
        self._schema = schema
        self._form = form
        self._tensors = model.subgraphs[0].tensors
        graphs = model.subgraphs
        self._readers = collections.Counter(
            index
            for operator in graphs[0].operators
            for index in operator.inputs
        )
        self._holders = collections.Counter(
            tensor.buffer for graph in graphs for tensor in graph.tensors
        )

    def pack(self, operator):
        """Packs the kernel of one operator, where it has four bits."""
        kinds = self._schema.BuiltinOperator
        kind = self._model.operatorCodes[operator.opcodeIndex].builtinCode
        if kind == kinds.CONV_2D:
            options = operator.builtinOptions
            if (options.strideH, options.strideW) != (1, 1):
                return
        elif kind != kinds.FULLY_CONNECTED or self._form != "products":
            return
        kernel, *bias = (
            self._tensors[index] for index in operator.inputs[1:] if index >= 0
        )
        levels = self._levels(kernel)
        if levels is None or not all(map(self._is_own, (kernel, *bias))):
            return
        self._model.buffers[kernel.buffer].data = _two_a_byte(levels)
        kernel.type = self._schema.TensorType.INT4
        for tensor in (kernel, *bias):
            scales = np.asarray(tensor.quantization.scale, "float64")
            scales = scales * _LARGEST_BYTE / LARGEST
            tensor.quantization.scale = scales.astype("float32")
        for tensor in bias:
            buffer = self._model.buffers[tensor.buffer]
            values = np.asarray(buffer.data).view("int32")
            values = np.rint(values * (LARGEST / _LARGEST_BYTE))
            buffer.data = values.astype("int32").view("uint8")
        if self._form == "products":
            self._make_product(operator, kernel)
        else:
            operator.opcodeIndex = self._code("CONV_2D")

    def _make_product(self, operator, kernel):
        if operator.opcodeIndex == self._code("FULLY_CONNECTED"):
            return
        operator.opcodeIndex = self._code("FULLY_CONNECTED")
        if len(kernel.shape) == 2:
            return
        options = self._schema.FullyConnectedOptionsT()
        options.keepNumDims = True
        options.fusedActivationFunction = (
            operator.builtinOptions.fusedActivationFunction
        )
        operator.builtinOptions = options
        operator.builtinOptionsType = (
            self._schema.BuiltinOptions.FullyConnectedOptions
        )
        kernel.shape = np.array([kernel.shape[0], kernel.shape[-1]], "int32")
        kernel.shapeSignature = None

    def _levels(self, tensor):
        """The kernel's levels of four bits; `None` if it is none of them."""
        data = self._model.buffers[tensor.buffer].data
        shape = list(tensor.shape)
        if (
            tensor.type != self._schema.TensorType.INT8
            or data is None
            or (len(shape) == 4 and shape[1:3] != [1, 1])
        ):
            return None
        bytes_ = np.asarray(data).view("int8").astype("int64")
        levels = np.rint(bytes_ * (LARGEST / _LARGEST_BYTE))
        back = levels * (_LARGEST_BYTE / LARGEST)
        if np.abs(back - bytes_).max() > _ROUNDED:
            return None
        return levels.astype("int8")

    def _is_own(self, tensor):
        """Whether nothing else in the file reads what the tensor holds."""
        [index] = [
            place for place, each in enumerate(self._tensors) if each is tensor
        ]
        return (
            self._readers[index] == 1
            and self._holders[tensor.buffer] == 1
            and self._model.buffers[tensor.buffer].data is not None
        )

    def _code(self, name):
        """The place of an operator that reads four bits among the codes."""
        kind = getattr(self._schema.BuiltinOperator, name)
        version = _VERSIONS[name]
        codes = self._model.operatorCodes
        for place, code in enumerate(codes):
            if code.builtinCode == kind and code.version == version:
                return place
        code = self._schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = version
        codes.append(code)
        return len(codes) - 1


def _two_a_byte(levels):
    nibbles = np.append(levels, [0] * (levels.size % 2)).astype("int8") & 15
    return (nibbles[::2] | (nibbles[1::2] << 4)).astype("uint8")
