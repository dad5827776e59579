"""Says before a device does whether it can run a file."""

import collections
import pathlib

from kerastl.export.targets.check_report import CheckReport
from kerastl.export.targets.count_graph_multiply_adds import (
    count_graph_multiply_adds,
)
from kerastl.export.targets.find_delegated import find_delegated
from kerastl.export.targets.op_table import load_op_table
from kerastl.export.targets.plan_arena import plan_arena
from kerastl.export.targets.read_litert_graph import read_litert_graph
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
    if not table.hybrid and dtype == "float32":
        weights = [
            graph.tensors[index]
            for index in operator.inputs
            if graph.tensors[index].constant
        ]
        if any(weight.dtype in _INTEGER_WEIGHTS for weight in weights):
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
