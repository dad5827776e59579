"""The refusal to write a file that lost too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerastl.export.report import ExportReport


class AccuracyDropError(RuntimeError):
    """Raised when a file loses more accuracy than the user allows.

    No file is left behind.

    Args:
        report: `ExportReport` of the refused file: what it was measured to
            lose.
        max_accuracy_drop: The allowed loss, as a fraction.
    """

    def __init__(self, report: ExportReport, max_accuracy_drop: float) -> None:
        lost, before, after = (
            100 * figure
            for figure in (
                report.accuracy_drop,
                report.keras_accuracy,
                report.accuracy,
            )
            if figure is not None
        )
        super().__init__(
            f"The {report.format} {report.scheme} file loses "
            f"{lost:.2f} points of accuracy ({before:.2f} % -> "
            f"{after:.2f} % on {report.num_images} images), "
            f"more than the allowed {100 * max_accuracy_drop:.2f}. No file "
            f"was written. {_ways_out(report)} "
            f"Received: max_accuracy_drop={max_accuracy_drop}"
        )
        self.report = report
        self.max_accuracy_drop = max_accuracy_drop


def _ways_out(report):
    """A sentence of what helps, by where the activation ranges come from."""
    ways = []
    if report.num_calibration:
        ways = ["calibrate with more images of the training set"]
        if report.scheme == "int8":
            ways.append(
                "keep the worst layers in float (`export.selective_int8`, "
                "--keep-float auto)"
            )
        ways.append("train on with `export.quantization_aware`")
    elif report.scheme.startswith("int"):
        ways = ["train the quantization-aware network for more epochs"]
    ways += [
        "try a scheme that keeps more bits ('int16x8', 'float16', 'dynamic')",
        "or allow more.",
    ]
    sentence = ", ".join(ways)
    return sentence[0].upper() + sentence[1:]
