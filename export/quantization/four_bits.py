"""Weights of four bits: which kernels have them, and their form in a file."""

import copy
import math
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
            pixel out, which are dense layers of every pixel, with an even
            number of inputs and several outputs. "convolutions": those
            convolutions only, of any size. A separable convolution ends in
            one.
    """
    if isinstance(layer, keras.layers.SeparableConv2D):
        return _fits(layer.pointwise_kernel.shape[-2:], form)
    if isinstance(layer, keras.layers.Dense):
        return form == "products" and _fits(layer.kernel.shape[-2:], form)
    return (
        isinstance(layer, keras.layers.Conv2D)
        and not isinstance(layer, keras.layers.DepthwiseConv2D)
        and tuple(layer.kernel_size) == tuple(layer.strides) == (1, 1)
        and layer.groups == 1
        and _fits(layer.kernel.shape[-2:], form)
    )


def four_bit_copy(model, form):
    """Returns a copy whose kernels are rounded to what four bits hold.

    Every output channel has a scale, so that its largest weight is level 7.
    Kernels that are there already stay as they are.

    Args:
        model: Functional model.
        form: As in `has_four_bits`.
    """
    rounded = copy_model(model)
    for kernel in find_kernels(rounded):
        if not has_four_bits(kernel.layer, form):
            continue
        weights = kernel.numpy().astype("float64")
        scales = np.abs(weights).max(axis=tuple(range(weights.ndim - 1)))
        scales = np.where(scales > 0, scales, 1.0) / LARGEST
        kernel.variable.assign(np.rint(weights / scales) * scales)
    return rounded


def pack_four_bits(path, form):
    """Gives the kernels of an int8 file that hold four bits that form.

    Two weights share a byte. As "products", 1x1 convolutions become
    FULLY_CONNECTED operators, whose four bits XNNPACK computes with; of
    CONV_2D it takes none, and TensorFlow Lite Micro takes CONV_2D alone.
    Kernels of eight bits stay. What operators share stays shared.

    Args:
        path: A .tflite file, rewritten in place.
        form: As in `has_four_bits`.

    Returns:
        The share of the kernels' weights that have four bits.
    """
    schema = require("ai_edge_litert.schema_py_generated", "ai-edge-litert")
    path = pathlib.Path(path)
    content = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    share = _Packer(model, schema, form).pack()
    path.write_bytes(model_bytes(model, len(content)))
    return share


class _Packer:
    def __init__(self, model, schema, form):
        self._model = model
        self._schema = schema
        self._form = form
        self._graph = model.subgraphs[0]
        self._tensors = self._graph.tensors
        # The converter stores what is equal once: biases of zeros, say.
        self._contents = [buffer.data for buffer in model.buffers]
        self._packed_tensors = {}
        self._packed_buffers = {}

    def pack(self):
        """Packs the kernels that have four bits; returns their share."""
        chosen = [each for each in self._graph.operators if self._takes(each)]
        share = self._weights(chosen) / max(1, self._weights(self._kernels()))
        places = [id(each) for each in chosen]
        self._kept_tensors = {*self._graph.outputs} | {
            index
            for operator in self._graph.operators
            for index in (
                operator.inputs[:1]
                if id(operator) in places
                else operator.inputs
            )
        }
        packed = {index for each in chosen for index in each.inputs[1:]}
        packed -= self._kept_tensors
        self._kept_buffers = {
            tensor.buffer
            for graph in self._model.subgraphs
            for index, tensor in enumerate(graph.tensors)
            if graph is not self._graph or index not in packed
        }
        for operator in chosen:
            operator.inputs = np.array(operator.inputs)
            for place, convert in enumerate((_two_a_byte, _coarser), start=1):
                if operator.inputs[place : place + 1] >= 0:
                    operator.inputs[place] = self._packed(
                        operator.inputs[place], convert
                    )
            if self._form == "products":
                self._make_product(operator)
            else:
                operator.opcodeIndex = self._code("CONV_2D")
        return share

    def _kernels(self):
        """The operators with a kernel."""
        kinds = self._schema.BuiltinOperator
        named = kinds.CONV_2D, kinds.DEPTHWISE_CONV_2D, kinds.FULLY_CONNECTED
        codes = self._model.operatorCodes
        return [
            operator
            for operator in self._graph.operators
            if codes[operator.opcodeIndex].builtinCode in named
        ]

    def _weights(self, operators):
        """How many weights the kernels of operators have."""
        kernels = {operator.inputs[1] for operator in operators}
        return sum(
            math.prod(map(int, self._tensors[index].shape)) for index in kernels
        )

    def _takes(self, operator):
        """Whether an operator can have four bits, and its kernel has."""
        kinds = self._schema.BuiltinOperator
        kind = self._model.operatorCodes[operator.opcodeIndex].builtinCode
        if kind == kinds.CONV_2D:
            options = operator.builtinOptions
            if (options.strideH, options.strideW) != (1, 1):
                return False
        elif kind != kinds.FULLY_CONNECTED or self._form != "products":
            return False
        given, kernel, *bias = (
            self._tensors[index] for index in operator.inputs if index >= 0
        )
        if kind == kinds.CONV_2D and given.shape[-1] != kernel.shape[-1]:
            return False  # of a group of channels
        if not _fits((kernel.shape[-1], kernel.shape[0]), self._form):
            return False
        return self._levels(kernel) is not None and all(
            self._contents[tensor.buffer] is not None for tensor in bias
        )

    def _packed(self, index, convert):
        """The place of a tensor of four bits, or of their bias."""
        if index in self._packed_tensors:
            return self._packed_tensors[index]
        tensor, place = self._tensors[index], index
        if index in self._kept_tensors:
            tensor, place = copy.deepcopy(tensor), len(self._tensors)
            self._tensors.append(tensor)
        self._packed_tensors[index] = place
        if convert is _two_a_byte:
            levels = self._levels(tensor)
            tensor.type = self._schema.TensorType.INT4
            if self._form == "products":
                ends = [tensor.shape[0], tensor.shape[-1]]
                tensor.shape = np.array(ends, "int32")
                tensor.shapeSignature = None
        else:
            levels = np.asarray(self._contents[tensor.buffer]).view("int32")
        tensor.buffer = self._packed_buffer(tensor.buffer, convert, levels)
        scales = np.asarray(tensor.quantization.scale, "float64")
        scales = scales * _LARGEST_BYTE / LARGEST
        tensor.quantization.scale = scales.astype("float32")
        return place

    def _packed_buffer(self, index, convert, levels):
        """The place of a buffer; bytes may be a kernel and a bias too."""
        key = index, convert
        if key in self._packed_buffers:
            return self._packed_buffers[key]
        if index in self._kept_buffers:
            self._model.buffers.append(self._schema.BufferT())
            place = len(self._model.buffers) - 1
        else:
            self._kept_buffers.add(index)
            place = index
        self._model.buffers[place].data = convert(levels)
        self._packed_buffers[key] = place
        return place

    def _make_product(self, operator):
        if operator.builtinOptionsType != (
            self._schema.BuiltinOptions.FullyConnectedOptions
        ):
            options = self._schema.FullyConnectedOptionsT()
            options.keepNumDims = True
            options.fusedActivationFunction = (
                operator.builtinOptions.fusedActivationFunction
            )
            operator.builtinOptions = options
            operator.builtinOptionsType = (
                self._schema.BuiltinOptions.FullyConnectedOptions
            )
        operator.opcodeIndex = self._code("FULLY_CONNECTED")

    def _levels(self, tensor):
        """The kernel's levels of four bits; `None` if it is none of them."""
        data = self._contents[tensor.buffer]
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


def _coarser(levels):
    """A bias at the scale of four bits."""
    levels = np.rint(levels * (LARGEST / _LARGEST_BYTE))
    return levels.astype("int32").view("uint8")


def _fits(shape, form):
    """Whether XNNPACK takes a kernel of (inputs, outputs), for "products".

    It takes no rows that end within a byte, and that of TensorFlow 2.21 does
    not run those of one output.
    """
    inputs, outputs = shape
    return form != "products" or (inputs % 2 == 0 and outputs > 1)
