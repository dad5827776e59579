"""The sentences of a run and of its report."""

from kerastl.apps.data.left_out import describe_left_out
from kerastl.apps.report import figures
from kerastl.apps.teachers.describe_teacher import describe_teacher
from kerastl.arguments import nearest_hint


def describe_title(name, preset, recipe, antialias):
    """Returns the title of a report."""
    blurred = ", anti-aliased" if antialias else ""
    return f"{name}: {preset.title}{blurred}, {recipe.title}"


def describe_training(
    arguments, preset, recipe, data, reason=None, teachers=()
):
    """Returns the paragraph that says what was done."""
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
    strength = arguments["strength"]
    scaled = f" at {strength:g} times its strength" if strength != 1 else ""
    how = f"for {arguments['epochs']} epochs " if recipe.trains else ""
    soup = arguments["soup"]
    balanced = ""
    if arguments["balance"]:
        balanced = (
            " All classes count alike in its answers: what their shares in "
            "training had added was taken out."
        )
    averaged = f" The weights of {soup} trainings were averaged." * (soup > 1)
    return (
        f"A {network} at {data.image_size} px{blurred} was adapted by "
        f"{recipe.title}{scaled} ({recipe.summary}) {how}on {count} images of "
        f"{data.num_classes} classes.{averaged}"
        f"{_describe_lesson(teachers, data)}{balanced}"
        + (f" {reason}." if reason else "")
    )


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
