"""The operators that a target has, read from the tables in this folder."""

import dataclasses
import json
import pathlib

from kerastl.arguments import unknown_name_error

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
    if target not in _FILES:
        raise unknown_name_error("target", target, TARGETS)
    path = pathlib.Path(__file__).with_name(_FILES[target])
    return OpTable(name=target, **json.loads(path.read_text(encoding="utf-8")))
