"""What it costs to keep some layers of an int8 file in float."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence
from typing import Any

from kerastl.export.conversion.report import AccuracyDropError
from kerastl.export.conversion.report import ExportReport
from kerastl.export.utils.text_tables import format_change
from kerastl.export.utils.text_tables import format_size


@dataclasses.dataclass(frozen=True)
class FrontierPoint:
    """A file that was tried.

    Attributes:
        num_layers: How many layers were kept in float by choice.
        accuracy: Accuracy of the file.
        accuracy_drop: What it lost against Keras, as a fraction.
        size_bytes: Its size.
        latency_ms: Median time for one image.
        float_operators: How many operators compute in float in it.
    """

    num_layers: int
    accuracy: float
    accuracy_drop: float
    size_bytes: int
    latency_ms: float
    float_operators: int


@dataclasses.dataclass(frozen=True)
class SelectiveReport:
    """The file that was written, and what each choice would have cost.

    `str()` fits 80 columns.

    Attributes:
        export: `ExportReport` of the file.
        max_accuracy_drop: The allowed loss, as a fraction.
        layers: Names of the layers kept in float, the worst first.
        num_operators: How many operators the file computes with.
        frontier: A `FrontierPoint` for each file that was tried, by the
            number of layers in float.
    """

    export: ExportReport
    max_accuracy_drop: float
    layers: tuple
    num_operators: int
    frontier: tuple

    @property
    def chosen(self) -> FrontierPoint:
        """The `FrontierPoint` of the file."""
        return next(
            each
            for each in self.frontier
            if each.num_layers == len(self.layers)
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, ready for JSON."""
        return dataclasses.asdict(self)

    def __str__(self):
        kept = "No layer had to be kept in float."
        if self.layers:
            kept = (
                f"In float: {', '.join(self.layers)} "
                f"({self.chosen.float_operators} of {self.num_operators} "
                "operators)."
            )
        return "\n".join(
            [
                str(self.export),
                "",
                *textwrap.wrap(kept, 80, break_on_hyphens=False),
                "",
                frontier_table(self.frontier, self.chosen),
            ]
        )


def frontier_table(frontier, chosen=None):
    """Returns the points as lines of text, one marked.

    Args:
        frontier: `FrontierPoint`s.
        chosen: The one to mark, or `None`.
    """
    lines = [
        "layers in float   operators   accuracy   change     size   latency"
    ]
    for point in frontier:
        lines.append(
            f"{point.num_layers:>15} {point.float_operators:>11} "
            f"{100 * point.accuracy:>9.2f}% "
            f"{format_change(point.accuracy_drop, 2):>8} "
            f"{format_size(point.size_bytes):>8} {point.latency_ms:>6.2f} ms"
            f"{' *' if point is chosen else ''}"
        )
    return "\n".join(lines)


class UnreachableError(AccuracyDropError):
    """Raised when no file that may be written loses as little as allowed.

    No file is left behind.

    Args:
        frontier: `FrontierPoint`s of the files that were tried.
        max_accuracy_drop: The allowed loss, as a fraction.
        max_float_layers: How many layers were allowed in float, or `None`.
    """

    def __init__(
        self,
        frontier: Sequence[FrontierPoint],
        max_accuracy_drop: float,
        max_float_layers: int | None,
    ) -> None:
        best = min(frontier, key=lambda point: point.accuracy_drop)
        RuntimeError.__init__(
            self,
            "No choice of float layers keeps the loss within the allowed "
            f"{100 * max_accuracy_drop:.2f} points of accuracy. The best "
            f"reached is {100 * best.accuracy_drop:.2f} points, with "
            f"{best.num_layers} layers in float. No file was written. Allow "
            "more loss or more float layers, calibrate with more images, or "
            "train with `quantization_aware`. "
            f"Received: max_accuracy_drop={max_accuracy_drop}, "
            f"max_float_layers={max_float_layers}\n"
            f"{frontier_table(frontier, best)}",
        )
        self.frontier = tuple(frontier)
        self.best = best
        self.max_accuracy_drop = max_accuracy_drop
