"""What a run leaves behind."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING
from typing import Any

from kerastl.apps.page.write_page import NAME as PAGE
from kerastl.apps.texts import Printable

if TYPE_CHECKING:
    import keras
    from rich.console import Console


@dataclasses.dataclass
class RunResult(Printable):
    """A finished run.

    Attributes:
        output: Folder of the run.
        report: What `report.json` holds.
    """

    output: pathlib.Path
    report: dict

    @property
    def model(self) -> keras.Model:
        """The trained model, loaded from the folder."""
        import keras

        return keras.saving.load_model(self.output / "model.keras")

    @property
    def aware_model(self) -> keras.Model | None:
        """The quantization-aware model of the int8 files, `None` without."""
        import keras

        if "aware" not in self.report:
            return None
        return keras.saving.load_model(
            self.output / self.report["aware"]["file"]
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the report with the folder, ready for JSON."""
        return {"output": str(self.output), **self.report}

    def print(self, console: Console) -> None:
        """Prints the figures as tables to a `rich.console.Console`."""
        from kerastl.apps.report import tables
        from kerastl.apps.report.describe_results import describe_confidence
        from kerastl.apps.report.describe_results import describe_origins
        from kerastl.apps.report.describe_results import describe_worsening
        from kerastl.apps.report.describe_results import shipped_rows
        from kerastl.apps.texts import say

        report = self.report
        if report.get("comparison"):
            console.print(tables.comparison_table(report["comparison"]["rows"]))
            say(console, report["comparison"]["note"])
            say(console, f"\n{report['summary']['text']}")
        if report.get("measures"):
            console.print(tables.measures_table(report["measures"]["rows"]))
            say(console, describe_worsening(report))
        if report.get("exports"):
            console.print(tables.exports_table(shipped_rows(report)))
            if "aware" in report:
                say(console, describe_origins(report))
        say(console, describe_confidence(report))
        if report.get("compared"):
            say(console, report["compared"]["text"])
        say(console, f"report: {self.output / 'report.html'}", wrap=False)
        page = self.output / PAGE
        if page.exists():
            say(console, f"to try it: {page}", wrap=False)
