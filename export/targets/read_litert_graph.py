"""Reads the graph of a .tflite file without running it."""

import pathlib

from kerastl.export.keras_files.unreadable import check_is_binary
from kerastl.export.keras_files.unreadable import check_is_file
from kerastl.export.keras_files.unreadable import corrupt
from kerastl.export.targets.litert_graph import LitertGraph
from kerastl.export.targets.litert_graph import Operator
from kerastl.export.targets.litert_graph import Tensor
from kerastl.export.utils.third_party import require
from kerastl.export.utils.third_party import require_survivable


def read_litert_graph(path):
    """Returns the `LitertGraph` of a .tflite file.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no .tflite file, or a damaged one.
    """
    path = pathlib.Path(path)
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
