"""The refusal of a file that a device cannot run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerastl.export.targets.check_report import CheckReport


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
