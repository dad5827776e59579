"""From what a user names to networks that teach."""

import dataclasses
import time
import warnings

from kerastl.apps.choice.judge_features import discriminant_accuracy
from kerastl.apps.choice.judge_features import look
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.report.figures import percent
from kerastl.apps.runs.measure_network import accuracy_on
from kerastl.apps.teachers.adapt_teacher import adapt_teacher
from kerastl.apps.teachers.adapt_teacher import teacher_size


def prepare_teachers(
    specs, source, data, load_at, folder, epochs, progress, **options
):
    """Adapts the teachers of a run, and says what they know.

    A teacher that is adapted is kept in the folder, `teacher-1.keras`; its
    training goes on after a kill.

    Args:
        specs: List of `TeacherSpec`, as `load_teachers` returns them.
        source: The student's source, whose features they are held against.
        data: The `apps.ImageData` of the run.
        load_at: Function of an image size that returns the run's data at that
            size, split alike; `None` where they have one size.
        folder: The `RunFolder`.
        epochs: Epochs of the adaptation.
        progress: The `RunProgress`.
        **options: Of the adaptation, passed on to `train_network`: `seed` and
            `jit_compile`.

    Returns:
        The list of models, and one of dicts for the report: `label`,
        `image_size`, `accuracy` on `part`, and `seconds`, where it was
        adapted here.
    """
    models, found = [], []
    for number, spec in enumerate(specs, start=1):
        started = time.monotonic()
        model = spec.model
        if spec.preset is not None:
            model = _adapt(
                spec,
                _name(number),
                data,
                load_at,
                folder,
                epochs,
                progress,
                **options,
            )
        part = "validation" if "validation" in data.parts else "test"
        row = {
            "label": spec.label,
            "image_size": model.input_shape[1],
            "part": part,
            "accuracy": accuracy_on(model, data, part),
        }
        if spec.preset is not None:
            row["seconds"] = round(time.monotonic() - started)
        progress.say(describe_teacher(row))
        models.append(model)
        found.append(row)
    _warn_of_less_than_the_student(found, source, data)
    return models, found


def remove_teachers(folder, specs):
    """Removes the teachers of a training that is over: nothing needs them."""
    for number in range(1, len(specs) + 1):
        for suffix in (".keras", ".npz"):
            folder.file(f"{_name(number)}{suffix}").unlink(missing_ok=True)


def _name(number):
    return f"teacher-{number}"


def _adapt(spec, name, data, load_at, folder, epochs, progress, **options):
    file = folder.file(f"{name}.keras")
    if file.exists():
        return folder.load_model(file.name)
    if load_at is not None:
        size = teacher_size(data.image_size, get_preset(spec.preset))
        data = load_at(size)
    progress.begin(
        name, f"adapting the teacher {spec.label} at {data.image_size} px"
    )
    checkpoint = folder.file(f"{name}.npz")
    model = adapt_teacher(
        spec,
        data,
        epochs,
        checkpoint=checkpoint,
        progress=progress,
        label="teacher",
        **options,
    )
    folder.save_model(model, file.name)
    checkpoint.unlink(missing_ok=True)
    return model


def _warn_of_less_than_the_student(found, source, data):
    """A teacher that knows less than what the student begins with."""
    start = discriminant_accuracy(*look(source, data))
    for row in found:
        if row["accuracy"] < start:
            warnings.warn(
                f"The teacher {row['label']} names "
                f"{percent(row['accuracy'])} of the {row['part']} images, and "
                "a linear classifier on the student's own features "
                f"{percent(start)} of training images that it has not seen: "
                "there is little to learn from it. Does it read pixels 0 to "
                "255, and are its classes in this order?",
                stacklevel=4,
            )


def describe_teacher(row) -> str:
    """Returns the sentence that says what a teacher knows."""
    size = row["image_size"]
    at = f" at {size} px" if size else ""
    taken = f", adapted in {row['seconds']} s" if "seconds" in row else ""
    return (
        f"teacher {row['label']}{at}: {percent(row['accuracy'])} of the "
        f"{row['part']} images{taken}"
    )


def taught(recipe, teachers, data):
    """The recipe, with the answers of teachers as one more term.

    Args:
        recipe: The `apps.Recipe`.
        teachers: List of `keras.Model`s; with none the recipe stays.
        data: The `apps.ImageData`; its unlabelled images are learned from,
            too.

    Returns:
        An `apps.Recipe`.
    """
    if not teachers:
        return recipe

    def transfer_losses(setting):
        from kerastl.losses import TeacherDistillation

        return [
            *recipe.transfer_losses(setting),
            TeacherDistillation(teachers),
        ]

    return dataclasses.replace(
        recipe,
        transfer_losses=transfer_losses,
        needs_unlabelled=recipe.needs_unlabelled or data.unlabelled is not None,
        weighted=True,
    )
