"""The refusal to write a file that no choice of float layers makes good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kerastl.export.accuracy_drop_error import AccuracyDropError
from kerastl.export.diagnosis.selective_report import frontier_table

if TYPE_CHECKING:
    from kerastl.export.diagnosis.selective_report import FrontierPoint


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
