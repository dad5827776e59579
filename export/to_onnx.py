"""Writes ONNX files."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Literal

from kerastl.export.conversion.onnx_steps import export_onnx
from kerastl.export.conversion.onnx_steps import fold_onnx
from kerastl.export.conversion.onnx_steps import quantize_onnx
from kerastl.export.conversion.onnx_steps import tidy_onnx
from kerastl.export.conversion.pipeline import export_model
from kerastl.export.quantization.restore_kernels import restore_kernels
from kerastl.export.utils.third_party import quiet_console
from kerastl.export.utils.third_party import require
from kerastl.types import Data
from kerastl.types import PathLike

if TYPE_CHECKING:
    import keras

    from kerastl.export.conversion.report import ExportReport


_OPSETS = range(13, 19)  # per-channel QDQ starts at 13, tf2onnx ends at 18
_METHODS = ("minmax", "entropy", "percentile")
_ACTIVATIONS = ("uint8", "int8")


def to_onnx(
    model: keras.Model,
    path: PathLike,
    scheme: Literal["float32", "int8"] = "int8",
    calibration: Data | None = None,
    evaluation: Data | None = None,
    max_accuracy_drop: float | None = None,
    overwrite: bool = False,
    num_calibration: int = 200,
    threads: int = 1,
    opset: int = 17,
    calibration_method: Literal["minmax", "entropy", "percentile"] = "minmax",
    activation_type: Literal["uint8", "int8"] = "uint8",
    compare_to: keras.Model | None = None,
    refine: str | Iterable[str] = "auto",
) -> ExportReport:
    """Writes an .onnx file, runs it in onnxruntime, and reports what it lost.

    The file takes a batch of any size called `image`, channels last as in
    Keras, and returns `probabilities`; both are float32 in every scheme.
    BatchNormalization is folded into the convolutions. The file appears at
    `path` when it is proved, in one step.

    Args:
        model: Functional or Sequential classifier, or a `FineTuner`.
        path: Destination, ending in ".onnx".
        scheme: "float32" or "int8" (static QDQ, per channel).
        calibration: Images that set the activation ranges; needed by "int8",
            but not for a model from `quantization_aware`. As in `to_tflite`.
        evaluation: Images, best with labels, to compare on. As in
            `to_tflite`.
        max_accuracy_drop: Largest allowed loss of accuracy as a fraction.
        overwrite: Whether an existing file may be replaced.
        num_calibration: How many calibration images to use at most.
        threads: CPU threads to measure with.
        opset: Version of the operator set, 13 to 18.
        calibration_method: "minmax" covers every value seen; "percentile"
            clips rare ones. So does "entropy" by its definition, but
            onnxruntime 1.32 has as many bins as levels, and clips nothing.
            Both hold every activation of the calibration set in memory.
        activation_type: "uint8", the quicker on x86, or "int8".
        compare_to: Keras model to compare the file with. As in `to_tflite`.
        refine: What is done to the weights. As in `to_tflite`.

    Returns:
        An `ExportReport`.

    Raises:
        AccuracyDropError: If the file loses more than `max_accuracy_drop`.
        ImportError: If tf2onnx, onnx or onnxruntime is missing.
        ValueError: If an argument does not fit.

    Example:

    ```python
    report = kerastl.export.to_onnx(
        model, "model.onnx", calibration=train, evaluation=validation
    )
    print(report)
    ```
    """
    for package in ("onnx", "onnxruntime", "tf2onnx"):
        require(package, package)
    for name, value, choices in (
        ("opset", opset, tuple(_OPSETS)),
        ("calibration_method", calibration_method, _METHODS),
        ("activation_type", activation_type, _ACTIVATIONS),
    ):
        if value not in choices:
            raise ValueError(
                f"`{name}` must be one of {choices}. Received: {name}={value!r}"
            )

    return export_model(
        functools.partial(
            _write,
            opset=opset,
            method=calibration_method,
            activation_type=activation_type,
        ),
        model,
        path,
        "onnx",
        scheme,
        calibration=calibration,
        evaluation=evaluation,
        max_accuracy_drop=max_accuracy_drop,
        overwrite=overwrite,
        num_calibration=num_calibration,
        threads=threads,
        opset=opset,
        compare_to=compare_to,
        refine=refine,
    )


def _write(
    lowered, output_name, scheme, images, path, opset, method, activation_type
):
    exported = path.with_suffix(".exported.onnx")
    folded = path.with_suffix(".folded.onnx")
    with quiet_console():
        export_onnx(lowered, output_name, opset, exported)
        if lowered.kernels is not None:
            restore_kernels(exported, path, lowered.kernels)
        else:
            fold_onnx(exported, folded)
            if scheme.name == "int8":
                quantize_onnx(folded, path, images, method, activation_type)
            else:
                folded.rename(path)
        tidy_onnx(path)
        order_onnx(path)
    return []


# The number in a name that an exporter made up, never that of a layer, which
# is followed by the name of an operation.
_NUMBER = re.compile(r"__(\d+)(?![^/]*/)")


def order_onnx(path):
    """Sorts the nodes and the constants of an .onnx file, in place.

    The exporters keep some of them in sets, whose order Python draws anew in
    every process, and number what they make in that order: the same network
    would give other bytes each time. Nodes are put behind what they read, in
    the order in which the outputs ask for them; made-up names are numbered
    along; constants are sorted by their names.

    Args:
        path: The file.
    """
    import onnx

    model = onnx.load(path)
    graph = model.graph
    # The name of a function that is counted up in every process.
    graph.doc_string = ""
    nodes = _sorted_nodes(graph)
    _rename(graph, nodes)
    constants = sorted(graph.initializer, key=lambda tensor: tensor.name)
    shapes = sorted(graph.value_info, key=lambda value: value.name)
    for field, values in (
        (graph.node, nodes),
        (graph.initializer, constants),
        (graph.value_info, shapes),
    ):
        copies = [_copy(value) for value in values]
        del field[:]
        field.extend(copies)
    onnx.save(model, path)


def _sorted_nodes(graph):
    """The nodes as the outputs ask for them, each behind what it reads."""
    maker = {
        name: index
        for index, node in enumerate(graph.node)
        for name in node.output
        if name
    }
    asked = [maker[value.name] for value in graph.output if value.name in maker]
    # What no output needs comes last.
    asked += range(len(graph.node))
    ordered, done = [], set()
    waiting = asked[::-1]
    while waiting:
        index = waiting[-1]
        before = [
            maker[name]
            for name in _read(graph.node[index])
            if name in maker and maker[name] not in done
        ]
        if index not in done and before:
            waiting += before[::-1]
            continue
        waiting.pop()
        if index not in done:
            done.add(index)
            ordered.append(graph.node[index])
    return ordered


def _read(node):
    """All that a node reads, inside its branches and loops too, in order."""
    names = list(node.input)
    for inner in _inner_graphs(node):
        for each in inner.node:
            names += _read(each)
    return names


def _inner_graphs(node):
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _rename(graph, nodes):
    """Numbers the made-up names as the nodes come, but for in- and outputs."""
    kept = {value.name for value in (*graph.input, *graph.output)}
    numbers = {}

    def renamed(name):
        if name in kept:
            return name
        return _NUMBER.sub(
            lambda found: f"__{numbers.setdefault(found[1], len(numbers) + 1)}",
            name,
        )

    _rename_nodes(nodes, renamed)
    for value in (*graph.initializer, *graph.value_info):
        value.name = renamed(value.name)


def _rename_nodes(nodes, renamed):
    for node in nodes:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = renamed(name)
        node.name = renamed(node.name)
        for inner in _inner_graphs(node):
            _rename_nodes(inner.node, renamed)
            for value in (*inner.initializer, *inner.value_info):
                value.name = renamed(value.name)
            for value in (*inner.input, *inner.output):
                value.name = renamed(value.name)


def _copy(value):
    """A copy that stays when the list that the value is in is emptied."""
    return type(value).FromString(value.SerializeToString())
