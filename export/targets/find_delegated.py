"""What the runtime on this machine gives to its XNNPACK delegate."""

import pathlib

from kerastl.export.utils.third_party import quiet_console
from kerastl.export.utils.third_party import require


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
