"""Says which layers an 8-bit file computes in float."""

import re

from kerastl.export.targets.litert_graph import read_litert_graph

# They go from float to integers and back.
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


def float_notes(path, format, layers, unsimulated):
    """Returns sentences about what is in float in a file, and what is not.

    What a layer becomes differs from format to format: TFLite has integer
    kernels for transposed convolutions, maxima and PReLU, which no training
    here rounds, and none for a sum of three. So the file is asked.

    Args:
        path: The file that was written.
        format: "tflite" or "onnx".
        layers: Paths of all calls of the model.
        unsimulated: Paths of those that are computed in float in training.
    """
    if format != "tflite":
        # Between `DequantizeLinear` and `QuantizeLinear`, as in training.
        return _in_float(unsimulated)
    names = _float_operators(path)
    found = {name: _owner(name, layers) for _, name in names}
    in_float = list(dict.fromkeys(filter(None, found.values())))
    # Operations of `keras.ops` leave no name in the file.
    in_float += sorted({kind for kind, name in names if not found[name]})
    rounded = [path for path in unsimulated if path not in in_float]
    notes = _in_float(in_float)
    if rounded:
        notes.append(
            "In int8 in the file, though training did not round inside: "
            f"{', '.join(rounded)}."
        )
    return notes


def _in_float(names):
    return [f"In float: {', '.join(names)}."] if names else []


def _float_operators(path):
    graph = read_litert_graph(path)
    return [
        (operator.name, graph.tensors[operator.outputs[0]].name)
        for operator in graph.operators
        if operator.name not in _CONVERSIONS
        and graph.tensors[operator.outputs[0]].dtype.startswith("float")
    ]


def _owner(tensor, layers):
    """The layer whose name is in that of a tensor, as the exporter writes it.

    It numbers scopes anew: "backbone_1/stem_1/Relu" is of "backbone/stem".
    """
    names = {path.rpartition("/")[2]: path for path in layers}
    for part in tensor.split(";"):
        for scope in reversed(part.split("/")):
            for name in (re.sub(r"_\d+$", "", scope), scope):
                if name in names:
                    return names[name]
    return None
