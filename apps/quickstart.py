"""Everything once: offline, on bundled digits, in minutes."""

from __future__ import annotations

import datetime
import math
import statistics
from typing import TYPE_CHECKING

from kerastl.apps.data.class_names import labels_text
from kerastl.apps.page.find_runtime import has_runtime
from kerastl.apps.report import figures
from kerastl.apps.runs import digits_experiment
from kerastl.apps.runs.describe_run import describe_data
from kerastl.apps.runs.digits_experiment import digits_methods
from kerastl.apps.runs.digits_experiment import digits_target
from kerastl.apps.runs.digits_experiment import measure_digits_target
from kerastl.apps.runs.digits_experiment import train_digits_source
from kerastl.apps.runs.digits_experiment import train_digits_target
from kerastl.apps.runs.epoch_checkpoint import save_history
from kerastl.apps.runs.finish_run import REPORT_KEYS
from kerastl.apps.runs.finish_run import finish_run
from kerastl.apps.runs.run_folder import RunFolder
from kerastl.apps.runs.run_identity import versions
from kerastl.apps.runs.run_progress import RunProgress
from kerastl.apps.texts import say
from kerastl.arguments import checked_count
from kerastl.surgery import inspect_antialias
from kerastl.types import PathLike

if TYPE_CHECKING:
    from rich.console import Console

    from kerastl.apps.runs.run_result import RunResult

_EXPORTS = [("tflite", "int8"), ("onnx", "int8")]


def quickstart(
    output: PathLike = "runs/quickstart",
    seeds: int = 3,
    resume: bool = False,
    console: Console | None = None,
) -> RunResult:
    """Runs the whole job on scikit-learn's digits, offline.

    A small residual network learns the digits 0 to 4. It is moved to the
    digits 5 to 9 with 25 images of each, in three ways: by plain fine-tuning,
    by plain fine-tuning of its anti-aliased copy, and by KTFT. The way that
    does best on validation images is exported to int8 TFLite and ONNX, and
    everything is reported.

    Args:
        output: Folder of the run.
        seeds: How often each way is trained, with other images and weights.
        resume: Continue the quickstart in `output`; what was trained is kept.
        console: `rich.console.Console` to show progress on; `None` is silent.

    Returns:
        A `RunResult`; `report["comparison"]` has the figures of all ways.

    Raises:
        BlockingIOError: Another process is at work on the run in `output`.
        FileExistsError: `output` exists and `resume` is off.
        ValueError: `seeds` is less than 1.

    Example:

    ```python
    result = apps.quickstart("runs/quickstart")
    print(result.report["comparison"]["note"])
    ```
    """
    seeds = checked_count("seeds", seeds)
    folder = RunFolder(output, {"seeds": seeds}, versions(), resume)
    with folder.hold():
        folder.begin()
        if not folder.trained:
            source = _load_or_train_source(folder, console)
            trainings = _train_all(folder, source, seeds, console)
            _choose_best(folder, source, trainings, seeds)
        best = folder.read_json("report.json", REPORT_KEYS)["settings"]["best"]
        say(console, f"best on validation images: {best}")
        page = has_runtime()
        if not page:
            file = folder.file("model_int8.onnx")
            # It would have to be fetched, and this runs offline.
            say(console, f"for a page with a camera: kerastl page {file}")
        return finish_run(
            folder,
            digits_target(0),
            "test",
            _EXPORTS,
            progress=RunProgress(console),
            page=page,
        )


def _load_or_train_source(folder, console):
    # In a folder of its own, so that its labels do not pass for the run's.
    path = folder.file("source/model.keras")
    if path.exists():
        return folder.load_model("source/model.keras")
    source, found = train_digits_source(console)
    say(console, f"source, digits 0 to 4: {_figures(found)}")
    path.parent.mkdir(exist_ok=True)
    folder.write_text("source/labels.txt", labels_text(range(5)))
    folder.save_model(source, "source/model.keras")
    return source


def _train_all(folder, source, seeds, console):
    """Trains every way with every seed, but for what a stopped run has."""
    trainings = {}
    if folder.file("trainings.json").exists():
        trainings = folder.read_json("trainings.json")
        say(console, f"resumed after {len(trainings)} trainings")
    for seed in range(seeds):
        for method in digits_methods():
            key = f"{method.name}-{seed}"
            if key in trainings:
                continue
            label = f"seed {seed}, {method.label}"
            student, training = train_digits_target(
                method, seed, source, console=console, label=label
            )
            row = {**training, **measure_digits_target(student, seed)}
            folder.file("models").mkdir(exist_ok=True)
            folder.save_model(student, f"models/{key}.keras")
            trainings[key] = row
            folder.write_json("trainings.json", trainings)
            say(console, f"{label}: {_figures(row)}")
    return trainings


def _choose_best(folder, source, trainings, seeds):
    rows, chosen = [], {}
    for method in digits_methods():
        runs = [trainings[f"{method.name}-{seed}"] for seed in range(seeds)]
        rows.append(
            {
                "label": method.label,
                "accuracy": [run["accuracy"] for run in runs],
                "consistency": [run["consistency"] for run in runs],
            }
        )
        chosen[method.name] = statistics.fmean(
            run["validation_shifted"] for run in runs
        )
    place, best = max(
        enumerate(digits_methods()), key=lambda item: chosen[item[1].name]
    )
    folder.save_model(folder.load_model(f"models/{best.name}-0.keras"))
    history = trainings[f"{best.name}-0"]["history"]
    save_history(folder, history)
    data = digits_target(0)
    folder.write_text("labels.txt", labels_text(data.class_names))
    blurs = best.kernel_size and inspect_antialias(source, best.kernel_size)
    folder.write_json(
        "report.json",
        {
            "title": "Quickstart: from digits 0–4 to digits 5–9",
            "created": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
            "summary": {"text": _meaning(rows, rows[place])},
            "comparison": {"note": _note(seeds), "rows": rows, "best": place},
            "history": history,
            "antialias": blurs and blurs.to_dict(),
            "data": describe_data(data),
            "settings": {
                "best": best.label,
                "seeds": seeds,
                "preset": digits_experiment.PRESET,
                "image_size": digits_experiment.IMAGE_SIZE,
                "shots": digits_experiment.SHOTS,
                "source_epochs": digits_experiment.SOURCE_EPOCHS,
                "epochs": digits_experiment.EPOCHS,
                "batch_size": data.batch_size,
                "learning_rates": digits_experiment.LEARNING_RATES,
                "blur_taps": digits_experiment.BLUR_TAPS,
                "ktft_pixel_weight": digits_experiment.PIXEL_WEIGHT,
                "ktft_global_weight": digits_experiment.GLOBAL_WEIGHT,
            },
            "versions": versions(),
        },
    )
    folder.advance("trained")


def _note(seeds):
    data = digits_target(0)
    room = data.parts["test"].size - data.image_size
    return (
        f"Mean and standard deviation over {seeds} seeds (other images, other "
        f"heads), on {len(data.parts['test'])} test images of the digits 5 to "
        "9. Shift consistency: the share of images that keep their predicted "
        f"digit when they move at random within {room} pixels."
    )


def _meaning(rows, best):
    """Says in one sentence what the figures mean."""
    plain = rows[0]
    if best is plain:
        return (
            "On this small task plain fine-tuning did best: neither the blurs "
            "nor the source's features helped."
        )
    gap = statistics.fmean(best["accuracy"]) - statistics.fmean(
        plain["accuracy"]
    )
    noise = math.hypot(
        _deviation(best["accuracy"]), _deviation(plain["accuracy"])
    )
    sure = "" if abs(gap) > noise else ", a difference within the seeds' spread"
    # KTFT is the last row.
    small = (
        ""
        if best is rows[-1]
        else " KTFT holds a network to what its source knows; this source has "
        "seen five digits only."
    )
    return (
        f"{best['label']} answers {_percent(best, 'accuracy')} of the new "
        "digits rightly (plain fine-tuning: "
        f"{_percent(plain, 'accuracy')}{sure}) and keeps its answer when the "
        f"digit moves in {_percent(best, 'consistency')} of the cases (plain: "
        f"{_percent(plain, 'consistency')}).{small}"
    )


def _percent(row, metric):
    return figures.percent(statistics.fmean(row[metric]))


def _deviation(values):
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _figures(row):
    return (
        f"accuracy {figures.percent(row['accuracy'])}, "
        f"consistency {figures.percent(row['consistency'])}"
    )
