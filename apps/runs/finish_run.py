"""From a trained model to the files and the report of a run."""

import os
import statistics

from kerastl.apps.page.write_page import NAME as PAGE
from kerastl.apps.page.write_page import write_page
from kerastl.apps.report.save_examples import save_examples
from kerastl.apps.report.write_model_card import write_model_card
from kerastl.apps.report.write_report import write_report
from kerastl.apps.runs.export_files import AWARE_MODEL
from kerastl.apps.runs.export_files import MODEL
from kerastl.apps.runs.export_files import export_files
from kerastl.apps.runs.run_progress import RunProgress
from kerastl.apps.runs.run_result import RunResult
from kerastl.apps.texts import literal
from kerastl.export import Metadata
from kerastl.export import evaluate
from kerastl.export import load
from kerastl.export.package.write_predict_script import write_predict_script
from kerastl.export.runners.keras_runner import RememberedRunner
from kerastl.export.utils.text_tables import describe_change
from kerastl.export.utils.text_tables import format_size

# What the training of a run, or of the quickstart, has written.
REPORT_KEYS = ("title", "created", "summary", "settings", "data", "versions")


def finish_run(
    folder,
    data,
    part,
    exports,
    max_accuracy_drop=None,
    threads=1,
    progress=None,
    target=None,
    page=False,
):
    """Exports the model of a run, compares, and writes the report.

    What is there already is not made again.

    Args:
        folder: `RunFolder` with `model.keras`, its quantization-aware copy
            where the run has one, and the `report.json` of the training.
        data: The `apps.ImageData` of the run.
        part: Part of the data to measure on.
        exports: Pairs of format and scheme.
        max_accuracy_drop: Largest allowed loss of accuracy, as a fraction.
        threads: CPU threads to time with.
        progress: The `RunProgress`; `None` is silent.
        target: Device that has to run the TFLite files, or `None`.
        page: Whether to write the page that runs the first ONNX file.

    Returns:
        A `RunResult`.

    Raises:
        AccuracyDropError: A file lost too much. The rest is written.
        TargetError: The target cannot run a file. The rest is written.
    """
    progress = progress or RunProgress()
    model = folder.load_model(MODEL)
    batches = getattr(data, part)
    report = folder.read_json("report.json", REPORT_KEYS)
    # All that follows asks it about the same images.
    runner = RememberedRunner(load(model))
    if "confusion" not in report:
        measured = evaluate(runner, batches, threads=threads)
        report["confusion"] = {
            "class_names": data.class_names,
            "matrix": measured["confusion_matrix"],
        }
        report["reference"] = _keras_row(folder, MODEL, measured)
        report["evaluated_on"] = f"{measured['num_images']} {part} images"
        report |= save_examples(
            folder,
            runner.classify,
            batches,
            data.class_names,
            _file_names(data, part),
            model,
        )
        folder.write_json("report.json", report)
    aware = None
    if "aware" in report:
        aware = folder.load_model(AWARE_MODEL)
    if aware is not None and "accuracy" not in report["aware"]:
        measured = evaluate(aware, batches, threads=threads)
        report["aware"] |= _keras_row(folder, AWARE_MODEL, measured)
        report["aware"]["accuracy_drop"] = (
            report["reference"]["accuracy"] - measured["accuracy"]
        )
    before = report.get("exports", [])
    report["exports"], refused = export_files(
        model,
        runner,
        folder.path,
        exports,
        data.calibration,
        batches,
        written=before,
        max_accuracy_drop=max_accuracy_drop,
        threads=threads,
        progress=progress,
        metadata=_metadata(report, data),
        aware=aware,
        target=target,
    )
    if folder.resumed and report["exports"] == before:
        progress.say("no file was missing")
    progress.begin("report")
    progress.describe("writing the report")
    report["threads"] = threads
    report["summary"]["headline"] = _headline(report)
    folder.write_json("report.json", report)
    write_report(report, folder.file("report.html"))
    write_model_card(report, folder.file("MODEL_CARD.md"))
    if any(row["file"].endswith(".tflite") for row in report["exports"]):
        write_predict_script(folder.path)
    names = [row["file"] for row in report["exports"]]
    whole = [name for name in names if name.endswith(".onnx")]
    if page and whole:
        progress.say(f"writing {PAGE}")
        write_page(folder.file(whole[0]), folder.file(PAGE), overwrite=True)
    if refused:
        raise refused[0]
    folder.advance("finished")
    return RunResult(folder.path, report)


def _file_names(data, part):
    """The images' names below the photos' folder; `None` of arrays."""
    files, root = data.parts[part].files, getattr(data, "path", None)
    if files is None or root is None:
        return None
    return [literal(os.path.relpath(file, root)) for file in files]


def _keras_row(folder, name, measured):
    return {
        "file": name,
        "size_bytes": folder.file(name).stat().st_size,
        "accuracy": measured["accuracy"],
        "accuracy_drop": None,
        "top1_agreement": None,
        "max_abs_difference": None,
        "latency_ms": measured["latency_ms"],
    }


def _metadata(report, data):
    # No time and no timing: the same run gives the same bytes.
    return Metadata(
        data.class_names,
        training={
            "title": report["title"],
            "summary": report["summary"]["text"],
            "evaluated_on": report["evaluated_on"],
            "versions": report["versions"],
        },
    )


def _headline(report):
    tiles = [
        {"label": label, **_before_after(report, metric), "unit": "percent"}
        for metric, label in (
            ("accuracy", "Accuracy"),
            ("consistency", "Shift consistency"),
        )
    ]
    for row in report["exports"][:2]:
        tiles.append(
            {
                "label": row["file"],
                "before": None,
                "after": row["accuracy"],
                "unit": "percent",
                "note": f"{format_size(row['size_bytes'])}, "
                f"{describe_change(row['accuracy_drop'])}",
            }
        )
    return tiles


def _before_after(report, metric):
    if "comparison" in report:
        rows = report["comparison"]["rows"]
        plain, best = rows[0], rows[report["comparison"]["best"]]
        return {
            "before": statistics.fmean(plain[metric]),
            "after": statistics.fmean(best[metric]),
            "note": "plain fine-tuning",
        }
    rows = report["measures"]["rows"]
    return {"before": rows[0][metric], "after": rows[-1][metric]}
