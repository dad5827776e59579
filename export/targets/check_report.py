"""What a file needs of a device, and what the device lacks."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerastl.export.utils.text_tables import format_rows
from kerastl.export.utils.text_tables import format_size


@dataclasses.dataclass
class CheckReport:
    """The result of `kerastl.export.check`.

    Attributes:
        path: The file.
        target: Name of the target.
        target_title: What the target is, in a few words.
        problems: Why the file fails, in sentences; empty if it passes.
        operators: Dictionary of operator to count.
        types: Dictionary of the dtype that operators compute in to count.
        missing: Operators without a kernel on the target: dictionaries of
            `operator`, `type`, `count` and `reason`. For XNNPACK, those that
            its delegate does not take; they run in slower kernels.
        partitions: Pieces that the XNNPACK delegate of the runtime on this
            machine takes the graph in; `None` if it cannot load the file.
        outside: Dictionary of operator to count of those that the delegate
            leaves to slower kernels.
        static_shapes: Whether every size is fixed.
        size_bytes: Size of the file: the flash it takes.
        activation_bytes: Peak memory of the activations, planned from when
            each tensor is needed.
        arena_bytes: Tensor arena that TensorFlow Lite Micro needs, estimated.
        multiply_adds: Multiply-adds of one image.
        notes: What to know besides, in sentences.
        sources: Where the operator table is from, and when it was read.
    """

    path: str
    target: str
    target_title: str
    problems: list
    operators: dict
    types: dict
    missing: list
    partitions: int | None
    outside: dict
    static_shapes: bool
    size_bytes: int
    activation_bytes: int
    arena_bytes: int
    multiply_adds: int
    notes: list
    sources: list

    @property
    def passed(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields and `passed` as plain values, for JSON."""
        return {"passed": self.passed, **dataclasses.asdict(self)}

    def __str__(self):
        memory = (
            f"{format_size(self.activation_bytes)} of activations at the peak"
        )
        if self.target == "tflite-micro":
            memory += (
                f", a tensor arena of about {format_size(self.arena_bytes)}"
            )
        memory += " (placed by lifetime; scratch of fast kernels excluded)"
        rows = [
            ("target", f"{self.target}: {self.target_title}"),
            ("file", f"{self.path} ({self.size_bytes:,} bytes of flash)"),
            ("result", "passed" if self.passed else "FAILED"),
            *(("", problem) for problem in self.problems),
            ("operators", _counts(self.operators)),
            ("types", _counts(self.types)),
            ("delegate", _delegate(self.partitions, self.outside)),
            ("shapes", "static" if self.static_shapes else "dynamic"),
            ("memory", memory),
            ("multiply-adds", f"{self.multiply_adds / 1e6:,.2f} million"),
            *(("note", note) for note in self.notes),
            *(
                ("table", f"{source['what']}, {source['date']}")
                for source in self.sources
            ),
        ]
        return format_rows(rows)


def _counts(counts):
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _delegate(partitions, outside):
    if partitions is None:
        return "the runtime on this machine cannot run the file"
    text = f"{partitions} partition{'' if partitions == 1 else 's'}"
    return f"{text}; outside: {_counts(outside)}" if outside else text


class TargetError(RuntimeError):
    """Raised when a file fails the check of the target it is meant for.

    Args:
        report: `CheckReport` of the file.
    """

    def __init__(self, report: CheckReport) -> None:
        super().__init__(
            f"The file fails the check for {report.target}: "
            f"{' '.join(report.problems)} No file is written that the "
            f"target cannot run. Received: target={report.target!r}"
        )
        self.report = report
