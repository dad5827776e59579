"""The sentences of a run and of its report."""

import numpy as np

from kerastl.apps.data.augmentation import describe_augmentation
from kerastl.apps.data.find_images import describe_left_out
from kerastl.apps.data.find_images import group_left_out
from kerastl.apps.report import figures
from kerastl.apps.runs.best_epoch import describe_best
from kerastl.apps.runs.greedy_soup import describe_soup
from kerastl.apps.teachers.prepare_teachers import describe_teacher
from kerastl.apps.texts import literal
from kerastl.arguments import nearest_hint


def describe_title(name, preset, recipe, blurs):
    """Returns the title of a report."""
    blurred = ", anti-aliased" if blurs else ""
    return f"{name}: {preset.title}{blurred}, {recipe.title}"


def describe_training(
    arguments,
    preset,
    recipe,
    data,
    reason=None,
    teachers=(),
    findings=None,
    blurs=None,
):
    """Returns the paragraph that says what was done.

    Args:
        arguments: Dict of the arguments of `apps.fine_tune`.
        preset: The `Preset`.
        recipe: The `apps.Recipe`.
        data: The `apps.ImageData`.
        reason: Why the method was chosen, or `None`.
        teachers: What `prepare_teachers` says of each.
        findings: What `train_soup` found.
        blurs: The `kerastl.surgery.AntialiasReport` of the network, or `None`.
    """
    findings = findings or {}
    count = len(data.parts["train"])
    width = (arguments["preset_arguments"] or {}).get("alpha")
    network = preset.title + (f" {width}" if width else "")
    blurred = ""
    if arguments["antialias"]:
        taps = arguments["antialias"]
        stem = "" if arguments["stem"] else ", stem left as it was"
        kernel = arguments.get("blur_place") == "kernel"
        where = " in its strided kernels" if kernel else ""
        blurred = f" was anti-aliased with {taps}-tap blurs{where}{stem}, and"
    elif blurs:
        blurred = ", whose weights had brought its blurs,"
    strength = arguments["strength"]
    scaled = f" at {strength:g} times its strength" if strength != 1 else ""
    epochs = arguments["epochs"]
    unit = "epoch" if epochs == 1 else "epochs"
    how = f"for {epochs} {unit} " if recipe.trains else ""
    soup = arguments["soup"]
    balanced = ""
    if arguments["balance"]:
        balanced = (
            " All classes count alike in its answers: what their shares in "
            "training had added was taken out."
        )
    averaged = f" The weights of {soup} trainings were averaged." * (soup > 1)
    if "soup" in findings:
        averaged = f" {describe_soup(findings['soup'])}"
    chosen = "soup" in findings or "kept" in findings
    flatters = ""
    if chosen and "test" not in data.parts:
        flatters = (
            " It is measured on the validation images, too, which flatters "
            "the figures."
        )
    return (
        f"A {network} at {data.image_size} px{blurred} was adapted by "
        f"{recipe.title}{scaled} ({recipe.summary}) {how}on {count} images of "
        f"{data.num_classes} classes.{averaged}"
        f"{_describe_options(arguments)}"
        f"{describe_kept(shipped_epochs(findings), epochs)}"
        f"{flatters}"
        f"{_describe_lesson(teachers, data)}{balanced}"
        + (f" {reason}." if reason else "")
    )


def _describe_options(arguments):
    """What was asked of the training beside its method."""
    text = ""
    smoothing = arguments["label_smoothing"]
    if smoothing:
        text += f" Of every label {smoothing:g} was spread over all classes."
    factor = arguments["head_learning_rate"]
    if factor != 1:
        text += (
            f" The classifier learned at {factor:g} times the rate of the "
            "other layers."
        )
    if arguments["keep"] == "average":
        text += " Its weights are the average over half of the training."
    return text


def shipped_epochs(findings):
    """What `train_soup` finds as `kept`, of trainings whose weights ship."""
    kept = findings.get("kept", ())
    if "soup" not in findings:
        return kept
    rows = findings["soup"]["trainings"]
    return [each for each in kept if rows[each["training"] - 1]["kept"]]


def describe_kept(kept, epochs):
    """Returns the sentence on the epochs that validation images found best.

    Args:
        kept: What `train_soup` finds as `kept`.
        epochs: Number of epochs that were planned.
    """
    if not kept:
        return ""
    told = []
    for each in kept:
        of = f"in training {each['training']}, " if "training" in each else ""
        told.append(f"{of}{describe_best(each, epochs)}")
    return f" By validation, {'; '.join(told)}."


def _describe_lesson(teachers, data):
    if not teachers:
        return ""
    more = ""
    if data.unlabelled is not None:
        more = f" and of {len(data.unlabelled)} images without labels"
    names = "; ".join(map(describe_teacher, teachers))
    return f" It also learned what a teacher says of them{more} ({names})."


def describe_aware(epochs):
    """Returns the sentence that says which files were trained further."""
    unit = "epoch" if epochs == 1 else "epochs"
    return (
        f"For its int8 files it was trained {epochs} more {unit} with their "
        "rounding; all other files are written from the network before that."
    )


def describe_blurs(blurs) -> str | None:
    """A sentence where the weights brought their blurs."""
    if not blurs or any(row.action != "done" for row in blurs.rows):
        return None
    return (
        "The weights come from an anti-aliased network: its "
        f"{len(blurs.rows)} blurs stay"
    )


def describe_measures(data, keep_head, part, accuracy):
    """Returns what the figures before and after mean.

    Args:
        data: The `apps.ImageData`.
        keep_head: Whether the head of the weights is kept.
        part: The part that is measured on.
        accuracy: What was measured after the training.
    """
    count = len(data.parts[part])
    room = data.parts["train"].size - data.image_size
    before = (
        "Before: the network that the weights came with."
        if keep_head
        else "Before: the source network's own features, each image given "
        "the class with the nearest mean; nothing is trained for that."
    )
    return (
        "Shift consistency is the share of images that keep their predicted "
        f"class when the crop moves at random within {room} pixels. {before} "
        f"Measured on {count} {part} images, of which each counts "
        f"{100 / count:.2g} points: the 95 % interval of the accuracy after "
        f"training is {figures.interval(accuracy, count)}."
    )


def describe_opening(folder, data):
    """Returns the lines that a run begins with."""
    counts = ", ".join(
        f"{sum(counts.values())} {part}" for part, counts in data.counts.items()
    )
    skipped = len(getattr(data, "skipped", ()))
    files = "file" if skipped == 1 else "files"
    extra = f", {skipped} {files} skipped" if skipped else ""
    verb = "resuming" if folder.resumed else "writing"
    if folder.trained:
        verb = "already trained:"
    return "\n".join(
        (
            f"{data.num_classes} classes, {counts} images{extra}",
            *describe_left_out(getattr(data, "left_out", ())),
            *getattr(data, "notes", ()),
            *_not_found(folder),
            f"{verb} {folder.path}",
        )
    )


def _not_found(folder):
    """Says that a run that was to be resumed is not there."""
    if not folder.found_none:
        return []
    beside = folder.path.absolute().parent.glob("*/run.json")
    runs = {each.parent.name for each in beside} - {folder.path.name}
    hint = nearest_hint(folder.path.name, sorted(runs))
    return [f"there is no run to resume, so a new one begins.{hint}"]


# From so many times as many images on a class is said to have more.
_UNEVEN = 3


def describe_data(data):
    """Returns what a report says about an `apps.ImageData`, as a dict."""
    counts = data.counts
    notes = [
        f"{data.image_size} px, {data.num_classes} classes.",
        *getattr(data, "notes", ()),
        describe_augmentation(data.augmentation),
    ]
    return {
        "note": " ".join(notes),
        "splits": list(counts),
        "classes": {
            name: {part: counts[part][name] for part in counts}
            for name in data.class_names
        },
        "totals": {part: sum(counts[part].values()) for part in counts},
        "skipped": [list(item) for item in getattr(data, "skipped", ())],
        "left_out": group_left_out(getattr(data, "left_out", ())),
    }


def class_counts(data):
    """Training images of each class, as an array."""
    return np.array(list(data.counts["train"].values()))


def describe_uneven(data) -> str | None:
    """A hint where some classes have far fewer images than others."""
    counts = class_counts(data)
    if counts.max() < _UNEVEN * counts.min():
        return None
    few, many = (
        data.class_names[place] for place in (counts.argmin(), counts.argmax())
    )
    return (
        f"The classes are uneven, from {counts.min()} ({few}) to "
        f"{counts.max()} images ({many}): --balance lets them count alike"
    )


def describe_unmeasured(data, part) -> str | None:
    """A warning of classes of which nothing is measured.

    Args:
        data: An `ImageData`.
        part: The part that is measured on.
    """
    seen = set(data.parts[part].labels.tolist())
    missing = [
        literal(name)
        for label, name in enumerate(data.class_names)
        if label not in seen
    ]
    if not missing:
        return None
    return (
        f"Nothing is measured of {', '.join(missing)}: too few photos to set "
        f"any aside for {part}. The accuracy is that of the other classes"
    )
