"""The training of a run, and what its report says of it."""

import dataclasses
import datetime
from typing import Any

import keras

from kerastl.apps.data.class_names import labels_text
from kerastl.apps.data.same_photos import SEEN
from kerastl.apps.data.same_photos import seen_text
from kerastl.apps.recipes.adapt_recipe import adapt_recipe
from kerastl.apps.recipes.training_options import TrainingOptions
from kerastl.apps.report.describe_results import is_sure
from kerastl.apps.runs.check_method import several_rates
from kerastl.apps.runs.describe_run import class_counts
from kerastl.apps.runs.describe_run import describe_data
from kerastl.apps.runs.describe_run import describe_measures
from kerastl.apps.runs.describe_run import describe_title
from kerastl.apps.runs.describe_run import describe_training
from kerastl.apps.runs.epoch_checkpoint import save_history
from kerastl.apps.runs.measure_network import measure
from kerastl.apps.runs.measure_network import measure_before
from kerastl.apps.runs.measure_network import measure_confidence
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.prepare_student import save_class_means
from kerastl.apps.runs.run_identity import versions
from kerastl.apps.runs.train_soup import remove_state
from kerastl.apps.runs.train_soup import train_soup
from kerastl.apps.teachers.prepare_teachers import prepare_teachers
from kerastl.apps.teachers.prepare_teachers import remove_teachers
from kerastl.apps.teachers.prepare_teachers import taught
from kerastl.export import load
from kerastl.export.runners.keras_runner import RememberedRunner
from kerastl.surgery import adjust_logits
from kerastl.surgery import scale_temperature
from kerastl.surgery.blur_like import find_blurs

# Of a run's folder, where TensorBoard finds its curves.
LOGS = "tensorboard"
# Enough for a standard error of about one point.
_SHIFTED, _PASSES = 500, 3


@dataclasses.dataclass(frozen=True)
class Training:
    """What a run trains, checked and loaded.

    Attributes:
        arguments: Dict of the arguments of `apps.fine_tune`, as `run.json`
            keeps them.
        name: What the photos are called.
        row: The `Preset`.
        recipe: The `apps.Recipe`.
        weights: What the source was built from.
        source: The pre-trained network.
        source_classes: The classes of its head, or `None`.
        student: The network to train, as `make_student` returns it.
        blurs: The plan of its blurs, likewise.
        keep_head: Whether that head is kept.
        teachers: List of `TeacherSpec`, as `load_teachers` returns them.
        data: The `apps.ImageData`.
        load_at: As in `prepare_teachers`.
        part: Part of the data that is measured on.
        suggestion: What is said of the learning rate, or `None`.
        reason: Why the method was chosen, or `None`.
        options: The `TrainingOptions`.
    """

    arguments: dict
    name: str
    row: Any
    recipe: Any
    weights: Any
    source: Any
    source_classes: list | None
    student: Any
    blurs: Any
    keep_head: bool
    teachers: list
    data: Any
    load_at: Any
    part: str
    suggestion: str | None
    reason: str | None
    options: TrainingOptions


def make_student(source, data, keep_head, arguments):
    """The network that a run trains, and the plan of its blurs.

    Args:
        source: The pre-trained network.
        data: The `apps.ImageData`.
        keep_head: Whether the head of the source is kept.
        arguments: As in `Training`.

    Returns:
        As `prepare_student`.
    """
    return prepare_student(
        source,
        num_classes=None if keep_head else data.num_classes,
        kernel_size=arguments["antialias"],
        stem=arguments["stem"],
        seed=arguments["seed"],
        place=arguments["blur_place"] or "after",
    )


def train_run(run, folder, progress):
    """Trains, measures, and writes the network and the report's data.

    Args:
        run: The `Training`.
        folder: The `RunFolder`, held. A training that was killed goes on.
        progress: The `RunProgress`.

    Raises:
        FloatingPointError: If the training diverges.
    """
    arguments, data = run.arguments, run.data
    rate, rates = _learning_rate(run), several_rates(arguments)
    findings = {}
    if run.suggestion is not None:
        taken = " and ".join(f"{each:g}" for each in rates or [rate])
        progress.say(f"{run.suggestion}; this run takes Adam at {taken}")
    with folder.noting_divergence():
        models, taught_by = prepare_teachers(
            run.teachers,
            run.source,
            data,
            run.load_at,
            folder,
            arguments["epochs"],
            progress,
            seed=arguments["seed"],
            jit_compile=arguments["jit_compile"],
        )
        # The same whether a teacher was adapted now or is kept.
        keras.utils.set_random_seed(arguments["seed"])
        student, history = train_soup(
            arguments["soup"],
            run.student,
            run.source,
            taught(adapt_recipe(run.recipe, run.options), models, data),
            data,
            arguments["epochs"],
            folder=folder,
            log_dir=folder.file(LOGS) if arguments["tensorboard"] else None,
            rates=rates,
            learning_rate=rate,
            jit_compile=arguments["jit_compile"],
            seed=arguments["seed"],
            progress=progress,
            source_classes=run.source_classes,
            findings=findings,
            strength=arguments["strength"],
            # Features of random weights tell little to start from.
            new_head=not run.keep_head and run.weights is not None,
            options=run.options,
        )
    progress.begin(
        "measuring",
        f"measuring on the {len(data.parts[run.part])} {run.part} images",
    )
    runner = RememberedRunner(load(student))
    confidence = measure_confidence(student, runner, data, run.part)
    folds = arguments["calibrate_confidence"] and is_sure(confidence)
    if folds:
        confidence["folded"] = True
        scale_temperature(student, confidence["temperature"])
    if arguments["balance"]:
        # Of what is calibrated: the shares are those of probabilities.
        adjust_logits(student, class_counts(data))
        confidence = confidence and {**confidence, "before_balance": True}
    if folds or arguments["balance"]:
        runner = load(student)
    folder.save_model(student)
    save_class_means(folder.file("class_means.npz"), student, data)
    save_history(folder, history)
    folder.write_text("labels.txt", labels_text(data.class_names))
    seen = seen_text(data)
    if seen:
        folder.write_text(SEEN, seen)
    # Decoded once, for the network before and after.
    shifted, _ = data.larger_images(run.part, limit=_SHIFTED)
    shifts = {"shifted": shifted, "passes": _PASSES}
    rows = measure_before(
        run.source,
        lambda: make_student(run.source, data, run.keep_head, arguments),
        run.keep_head,
        run.blurs and not find_blurs(run.source),
        data,
        run.part,
        shifts,
    )
    after = measure(runner.classify, data, run.part, **shifts)
    rows.append({"label": "After: " + run.recipe.title, **after})
    report = {
        "title": describe_title(run.name, run.row, run.recipe, run.blurs),
        "created": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
        "summary": {
            "text": describe_training(
                arguments,
                run.row,
                run.recipe,
                data,
                run.reason,
                taught_by,
                findings,
                blurs=run.blurs,
            )
        },
        "history": history,
        "measures": {
            "note": describe_measures(
                data, run.keep_head, run.part, after["accuracy"]
            ),
            "rows": rows,
        },
        "confidence": confidence,
        "antialias": run.blurs and run.blurs.to_dict(),
        "teachers": taught_by,
        **findings.pop("by_epoch", {}),
        **findings,
        "data": describe_data(data),
        "settings": {
            **arguments,
            "method": run.recipe.name,
            "keep_head": run.keep_head,
            "learning_rate": rate,
        },
        "versions": versions(),
    }
    folder.write_json("report.json", report)
    folder.advance("trained")
    remove_state(folder, arguments["soup"])
    remove_teachers(folder, run.teachers)


def _learning_rate(run):
    usual = run.row.usual_rate(
        run.weights, (run.arguments["preset_arguments"] or {}).get("alpha", 1.0)
    )
    return run.arguments["learning_rate"] or run.recipe.highest_rate(
        usual, run.arguments["epochs"] * run.data.steps_per_epoch
    )
