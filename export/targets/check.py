"""Says before a device does whether it can run a file."""

import collections
import dataclasses
import json
import pathlib

from kerastl.arguments import checked_text
from kerastl.arguments import unknown_name_error
from kerastl.export.targets.check_report import CheckReport
from kerastl.export.targets.check_report import TargetError
from kerastl.export.targets.litert_graph import count_graph_multiply_adds
from kerastl.export.targets.litert_graph import read_litert_graph
from kerastl.export.targets.plan_arena import plan_arena
from kerastl.export.utils.third_party import quiet_console
from kerastl.export.utils.third_party import require
from kerastl.types import PathLike

_INTEGER_WEIGHTS = ("int8", "uint8", "int4")
_EIGHT_BITS = ("int8", "uint8")


def check(path: PathLike, target: str = "xnnpack") -> CheckReport:
    """Checks whether a target can run a .tflite file, and what it costs.

    The file passes for

    - "xnnpack" (phones, Raspberry Pi, PCs), if the runtime's delegate takes
      the graph in one piece with all its multiply-adds: every further piece
      costs copies, and what stays outside runs many times slower;
    - "tflite-micro" (microcontrollers), if every operator has a kernel for
      the dtype that it computes in, weights are of the same kind as
      activations, and all sizes are fixed;
    - "full-int8" (Edge TPU and the like), if inputs, outputs and all that is
      computed are 8-bit integers, all sizes are fixed, the batch is one and
      every operator is on the accelerator's list.

    The memory of the activations is planned: each lives from the operator
    that writes it to the last that reads it, and is placed greedily, the
    largest first, aligned to 16 bytes.

    Args:
        path: The .tflite file.
        target: "xnnpack", "tflite-micro" or "full-int8".

    Returns:
        A `CheckReport`; `passed` says how it went.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there is no such target, or the file is damaged or of
            another kind.

    Example:

    ```python
    report = kerastl.export.check("model.tflite", target="tflite-micro")
    print(report)
    ```
    """
    table = load_op_table(target)
    graph = read_litert_graph(path)
    multiply_adds = count_graph_multiply_adds(graph)
    partitions, inside = find_delegated(path, graph)
    outside = [
        operator
        for position, operator in enumerate(graph.operators)
        if position not in inside
    ]
    if target == "xnnpack":
        missing = _missing(graph, table, outside)
        left = sum(
            count
            for position, count in enumerate(multiply_adds)
            if position not in inside
        )
        problems = _delegate_problems(partitions, left, sum(multiply_adds))
    else:
        missing = _missing(graph, table, graph.operators)
        problems = [_sentence(row, table) for row in missing]
        problems += _shape_problems(graph)
    if target == "full-int8":
        problems += _interface_problems(graph)
    arena = plan_arena(graph)
    return CheckReport(
        path=str(path),
        target=target,
        target_title=table.title,
        problems=problems,
        operators=_count(operator.name for operator in graph.operators),
        types=_count(map(graph.operator_type, graph.operators)),
        missing=missing,
        partitions=partitions,
        outside=_count(operator.name for operator in outside),
        static_shapes=not _dynamic(graph),
        size_bytes=pathlib.Path(path).stat().st_size,
        activation_bytes=arena.activation_bytes,
        arena_bytes=arena.arena_bytes,
        multiply_adds=sum(multiply_adds),
        notes=_notes(graph, table),
        sources=table.sources,
    )


def _count(names):
    return dict(sorted(collections.Counter(names).items()))


def _delegate_problems(partitions, left, total):
    if partitions is None:
        return [
            "The runtime cannot run the file: it holds operators that are "
            "not built in."
        ]
    if partitions == 0:
        return [
            "The delegate takes no part of the graph. It computes float32 "
            "and int8, not int16: export with another scheme."
        ]
    problems = []
    if partitions > 1:
        problems.append(
            f"The delegate takes the graph in {partitions} pieces: the "
            "operators between them, listed as outside, split it."
        )
    if left:
        problems.append(
            f"{100 * left / total:.0f} % of the multiply-adds stay outside "
            "of the delegate."
        )
    return problems


def _missing(graph, table, operators):
    found = collections.Counter(
        (operator.name, graph.operator_type(operator), reason)
        for operator in operators
        if (reason := _reason(graph, operator, table))
    )
    return [
        {"operator": name, "type": dtype, "count": count, "reason": reason}
        for (name, dtype, reason), count in sorted(found.items())
    ]


def _reason(graph, operator, table):
    """Says why a target has no kernel for an operator; `None` if it has."""
    row = table.operators.get(operator.name)
    if row is None:
        return "not on the target's list"
    dtype = graph.operator_type(operator)
    if row["types"] is not None and dtype not in row["types"]:
        known = ", ".join(row["types"]) or "none that was tried"
        return f"it takes {known}"
    if len(operator.inputs) > row.get("max_inputs", len(operator.inputs)):
        return f"it takes up to {row['max_inputs']} inputs"
    weights = {
        graph.tensors[index].dtype
        for index in operator.inputs
        if graph.tensors[index].constant
    }
    if "int4" in weights and not row.get("four_bits", False):
        known = any(each.get("four_bits") for each in table.operators.values())
        fitting = "of 'int4' and 'int4_micro', one fits"
        return f"it takes no 4-bit weights ({fitting if known else 'use int8'})"
    if (
        not table.hybrid
        and dtype == "float32"
        and not weights.isdisjoint(_INTEGER_WEIGHTS)
    ):
        return "float activations cannot meet integer weights there"
    return None


def _sentence(row, table):
    times = f"{row['count']} x " if row["count"] > 1 else ""
    return (
        f"{times}{row['operator']} in {row['type']} has no kernel on "
        f"{table.name}: {row['reason']}."
    )


def _dynamic(graph):
    used = {
        index
        for operator in graph.operators
        for index in (*operator.inputs, *operator.outputs)
    }
    return [
        graph.tensors[index].name
        for index in sorted(used | {*graph.inputs, *graph.outputs})
        if graph.tensors[index].dynamic
    ]


def _shape_problems(graph):
    problems = []
    dynamic = _dynamic(graph)
    if dynamic:
        problems.append(
            f"{len(dynamic)} tensors have a size that is known at run time "
            f"only, the first is '{dynamic[0]}': export with a fixed batch "
            "and image size."
        )
    if graph.num_subgraphs > 1:
        problems.append(
            f"The file holds {graph.num_subgraphs} graphs, so it branches or "
            "loops at run time."
        )
    return problems


def _interface_problems(graph):
    problems = []
    for kind, indices in (("input", graph.inputs), ("output", graph.outputs)):
        for tensor in (graph.tensors[index] for index in indices):
            if tensor.dtype not in _EIGHT_BITS:
                problems.append(
                    f"The {kind} '{tensor.name}' is {tensor.dtype}: export "
                    "with the scheme 'int8'."
                )
            if len(tensor.shape) > 1 and tensor.shape[0] > 1:
                problems.append(
                    f"The {kind} '{tensor.name}' has a batch of "
                    f"{tensor.shape[0]}: export with a batch of 1."
                )
    return problems


def _notes(graph, table):
    used = {operator.name for operator in graph.operators}
    limits = [
        f"{name} ({row['limit']})"
        for name, row in table.operators.items()
        if name in used and "limit" in row
    ]
    notes = []
    if limits:
        notes.append(f"Limits that are not looked at: {', '.join(limits)}.")
    untried = sorted(
        name
        for name in used
        if table.operators.get(name, {"types": ()})["types"] is None
    )
    if untried:
        notes.append(
            f"Listed, but not tried with any dtype: {', '.join(untried)}."
        )
    return notes


def require_target(path, target):
    """Checks a file for a target, and raises if it fails.

    Args:
        path: The .tflite file.
        target: "xnnpack", "tflite-micro" or "full-int8".

    Returns:
        The `CheckReport` of a file that passes.

    Raises:
        TargetError: If the file fails; its `report` has the figures.
        ValueError: If there is no such target, or the file cannot be read.

    Example:

    ```python
    require_target("model.tflite", "tflite-micro")
    ```
    """
    report = check(path, target)
    if not report.passed:
        raise TargetError(report)
    return report


_FILES = {
    "xnnpack": "xnnpack.json",
    "tflite-micro": "tflite_micro.json",
    "full-int8": "full_int8.json",
}
TARGETS = tuple(_FILES)


@dataclasses.dataclass(frozen=True)
class OpTable:
    """What one target computes.

    Attributes:
        name: Name of the target.
        title: What it is, in a few words.
        sources: List of dictionaries: where the table is from, and when it
            was read.
        hybrid: Whether float activations may meet integer weights.
        operators: Dictionary of operator name to its row: `types`, the
            dtypes of activations; where there are any, `max_inputs`, `limit`
            and `add`, the method of a `MicroMutableOpResolver`.
    """

    name: str
    title: str
    sources: list
    hybrid: bool
    operators: dict


def load_op_table(target):
    """Returns the `OpTable` of a target.

    Args:
        target: "xnnpack", "tflite-micro" or "full-int8".

    Raises:
        ValueError: If there is no such target; with the nearest name.
    """
    if checked_text("target", target) not in _FILES:
        raise unknown_name_error("target", target, TARGETS)
    path = pathlib.Path(__file__).with_name(_FILES[target])
    return OpTable(name=target, **json.loads(path.read_text(encoding="utf-8")))


def find_delegated(path, graph):
    """Returns how many delegate partitions there are, and what is in them.

    The file is loaded, so that this is what happens and not what a table
    says. A partition computes its outputs from its inputs: the operators
    between them are in it.

    Args:
        path: The .tflite file.
        graph: Its `LitertGraph`.

    Returns:
        The number of partitions, and the set of positions of the operators
        inside; `None` and an empty set if the runtime cannot run the file.
    """
    litert = require("ai_edge_litert.interpreter", "ai-edge-litert")
    try:
        with quiet_console():
            interpreter = litert.Interpreter(
                model_content=pathlib.Path(path).read_bytes(), num_threads=1
            )
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError):
        return None, set()
    writers = {
        index: position
        for position, operator in enumerate(graph.operators)
        for index in operator.outputs
    }
    partitions, inside = 0, set()
    for details in interpreter._get_ops_details():
        if details["op_name"] != "DELEGATE":
            continue
        partitions += 1
        known = {int(index) for index in details["inputs"]}
        wanted = [int(index) for index in details["outputs"]]
        while wanted:
            index = wanted.pop()
            position = writers.get(index)
            if index in known or position is None or position in inside:
                continue
            inside.add(position)
            wanted.extend(graph.operators[position].inputs)
    return partitions, inside
