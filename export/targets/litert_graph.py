"""The operators and tensors of a .tflite file, as plain Python."""

import dataclasses
import math

from kerastl.arguments import checked_path
from kerastl.export.keras_files.unreadable import check_is_binary
from kerastl.export.keras_files.unreadable import check_is_file
from kerastl.export.keras_files.unreadable import corrupt
from kerastl.export.utils.third_party import require
from kerastl.export.utils.third_party import require_survivable

BYTES = {
    "FLOAT64": 8,
    "FLOAT32": 4,
    "FLOAT16": 2,
    "INT64": 8,
    "INT32": 4,
    "UINT32": 4,
    "INT16": 2,
    "INT8": 1,
    "UINT8": 1,
    "INT4": 0.5,
    "BOOL": 1,
}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One tensor of a `LitertGraph`.

    Attributes:
        name: Name in the file.
        dtype: Type as the schema calls it, in lower case: "int8".
        shape: Tuple of sizes; a dynamic one counts as 1.
        dynamic: Whether a size is known at run time only.
        constant: Whether its values are in the file.
        channels: Number of quantization scales, 0 if there is none.
    """

    name: str
    dtype: str
    shape: tuple
    dynamic: bool
    constant: bool
    channels: int

    @property
    def elements(self):
        return math.prod(self.shape)

    @property
    def size_bytes(self):
        return math.ceil(self.elements * BYTES.get(self.dtype.upper(), 4))


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator of a `LitertGraph`; tensors are given by index."""

    name: str
    inputs: tuple
    outputs: tuple


@dataclasses.dataclass(frozen=True)
class LitertGraph:
    """The main graph of a .tflite file.

    Attributes:
        tensors: List of `Tensor`.
        operators: List of `Operator`, in the order that they run.
        inputs: Indices of the input tensors.
        outputs: Indices of the output tensors.
        num_subgraphs: Graphs in the file; further ones are the branches of
            control flow.
    """

    tensors: list
    operators: list
    inputs: tuple
    outputs: tuple
    num_subgraphs: int

    def operator_type(self, operator):
        """Returns the dtype that an operator computes in.

        That of its first input which is not constant: the others are
        weights, axes and sizes.
        """
        for index in (*operator.inputs, *operator.outputs):
            tensor = self.tensors[index]
            if not tensor.constant:
                break
        if all(self.tensors[index].constant for index in operator.inputs):
            tensor = self.tensors[operator.inputs[0]]
        return tensor.dtype


def read_litert_graph(path):
    """Returns the `LitertGraph` of a .tflite file.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no .tflite file, or a damaged one.
    """
    path = checked_path("path", path)
    if path.suffix != ".tflite":
        raise ValueError(
            "Expected a file that ends in '.tflite': the targets run no "
            f"other. Received: path={str(path)!r}"
        )
    check_is_file(path)
    check_is_binary(path, "tflite")
    require_survivable(path)
    content = path.read_bytes()
    try:
        _verify(content)
        return _read(content)
    except ImportError:
        raise
    except Exception as error:
        raise corrupt(
            path, "tflite", str(error).strip() or type(error).__name__
        ) from error


def _verify(content):
    """Lets the runtime look over the file, which Python's reader does not."""
    from kerastl.export.utils.third_party import quiet_console

    if content[4:8] != b"TFL3":
        raise ValueError("it does not start like a TFLite file")
    litert = require("ai_edge_litert.interpreter", "ai-edge-litert")
    with quiet_console():
        litert.Interpreter(model_content=content)


def _read(content):
    schema = require("ai_edge_litert.schema_py_generated", "ai-edge-litert")
    names = _names(schema.BuiltinOperator)
    types = {value: name for value, name in _names(schema.TensorType).items()}
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    kinds = [_operator_name(code, names) for code in model.operatorCodes]
    tensors = [
        _tensor(tensor, types, model.buffers) for tensor in graph.tensors
    ]
    operators = [
        Operator(
            kinds[operator.opcodeIndex],
            _indices(operator.inputs),
            _indices(operator.outputs),
        )
        for operator in graph.operators
    ]
    return LitertGraph(
        tensors,
        operators,
        _indices(graph.inputs),
        _indices(graph.outputs),
        len(model.subgraphs),
    )


def _names(enumeration):
    return {
        value: name
        for name, value in vars(enumeration).items()
        if not name.startswith("_")
    }


def _operator_name(code, names):
    # Old files have the number in a field of one byte.
    name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
    if name == "CUSTOM":
        return f"CUSTOM {(code.customCode or b'').decode()}".strip()
    return name


def _tensor(tensor, types, buffers):
    signature = tensor.shapeSignature
    shape = tensor.shape if tensor.shape is not None else ()
    quantization = tensor.quantization
    scales = quantization.scale if quantization is not None else None
    data = buffers[tensor.buffer].data
    return Tensor(
        name=(tensor.name or b"").decode(),
        dtype=types[tensor.type].lower(),
        shape=tuple(max(int(size), 1) for size in shape),
        dynamic=signature is not None and any(size < 0 for size in signature),
        constant=data is not None and len(data) > 0,
        channels=0 if scales is None else len(scales),
    )


def _indices(values):
    # -1 stands for an optional tensor that is not there.
    return tuple(int(value) for value in values if value >= 0)


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
