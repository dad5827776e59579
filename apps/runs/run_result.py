"""What a run leaves behind."""

import dataclasses
import pathlib


@dataclasses.dataclass
class RunResult:
    """A finished run.

    Attributes:
        output: Folder of the run.
        report: What `report.json` holds.
    """

    output: pathlib.Path
    report: dict

    @property
    def model(self):
        """The trained model, loaded from the folder."""
        import keras

        return keras.saving.load_model(self.output / "model.keras")

    def to_dict(self):
        """Returns the report with the folder, ready for JSON."""
        return {"output": str(self.output), **self.report}

    def print(self, console):
        """Prints the figures as tables to a `rich.console.Console`."""
        from kerastl.apps.report import tables

        report = self.report
        if report.get("comparison"):
            console.print(tables.comparison_table(report["comparison"]["rows"]))
            console.print(report["comparison"]["note"], highlight=False)
            console.print(f"\n{report['summary']['text']}", highlight=False)
        if report.get("measures"):
            console.print(tables.measures_table(report["measures"]["rows"]))
        if report.get("exports"):
            rows = [report["reference"], *report["exports"]]
            console.print(tables.exports_table(rows))
        console.print(
            f"report: {self.output / 'report.html'}",
            highlight=False,
            soft_wrap=True,
        )
