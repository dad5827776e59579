"""From what a user names to networks that teach."""

import time
import unicodedata
import warnings

import keras
import numpy as np

from kerastl.apps.choice.judge_features import discriminant_accuracy
from kerastl.apps.choice.look import look
from kerastl.apps.data.read_class_names import read_class_names
from kerastl.apps.presets.get_preset import get_preset
from kerastl.apps.report.figures import percent
from kerastl.apps.report.say import say
from kerastl.apps.teachers.adapt_teacher import adapt_teacher
from kerastl.apps.teachers.adapt_teacher import teacher_size
from kerastl.apps.teachers.describe_teacher import describe_teacher
from kerastl.surgery import find_head


def prepare_teachers(
    specs, source, data, load_at, folder, epochs, console=None, **options
):
    """Adapts or loads the teachers of a run, and says what they know.

    A teacher that is adapted is kept in the folder, `teacher-1.keras`; its
    training goes on after a kill.

    Args:
        specs: List of `TeacherSpec`.
        source: The student's source, whose features they are held against.
        data: The `apps.ImageData` of the run.
        load_at: Function of an image size that returns the run's data at that
            size, split alike; `None` where they have one size.
        folder: The `RunFolder`.
        epochs: Epochs of the adaptation.
        console: `rich.console.Console`, or `None`.
        **options: Of the adaptation, passed on to `train_network`: `seed` and
            `jit_compile`.

    Returns:
        The list of models, and one of dicts for the report: `label`,
        `image_size`, `accuracy` on `part`, and `seconds`, where it was
        adapted here.

    Raises:
        ValueError: If a trained teacher has other classes.
    """
    models, found = [], []
    for number, spec in enumerate(specs, start=1):
        started = time.monotonic()
        if spec.preset is None:
            model = _load(spec, data.class_names)
        else:
            model = _adapt(
                spec,
                _name(number),
                data,
                load_at,
                folder,
                epochs,
                console,
                **options,
            )
        part = "validation" if "validation" in data.parts else "test"
        row = {
            "label": spec.label,
            "image_size": model.input_shape[1],
            "part": part,
            "accuracy": _accuracy(model, data, part),
        }
        if spec.preset is not None:
            row["seconds"] = round(time.monotonic() - started)
        say(console, describe_teacher(row))
        models.append(model)
        found.append(row)
    _warn_of_less_than_the_student(found, source, data)
    return models, found


def remove_teachers(folder, specs):
    """Removes the teachers of a training that is over: nothing needs them."""
    for number in range(1, len(specs) + 1):
        folder.file(f"{_name(number)}.keras").unlink(missing_ok=True)


def _name(number):
    return f"teacher-{number}"


def _adapt(spec, name, data, load_at, folder, epochs, console, **options):
    file = folder.file(f"{name}.keras")
    if file.exists():
        return folder.load_model(file.name)
    if load_at is not None:
        size = teacher_size(data.image_size, get_preset(spec.preset))
        data = load_at(size)
    say(console, f"adapting the teacher {spec.label} at {data.image_size} px")
    checkpoint = folder.file(f"{name}.npz")
    model = adapt_teacher(
        spec,
        data,
        epochs,
        checkpoint=checkpoint,
        console=console,
        label="teacher",
        **options,
    )
    folder.save_model(model, file.name)
    checkpoint.unlink(missing_ok=True)
    return model


def _load(spec, class_names):
    model, names = spec.model, None
    if not isinstance(model, keras.Model):
        path, model = model, keras.saving.load_model(model, compile=False)
        names = read_class_names(path, model.output_shape[-1])
    count = max(model.output_shape[-1], 2)
    if names is None and count == len(class_names):
        return model
    names = [unicodedata.normalize("NFC", each) for each in names or ()]
    if sorted(names) != sorted(class_names):
        known = ", ".join(names[:5]) or f"{count} classes without names"
        raise ValueError(
            "The teacher tells other classes apart than the photos' folders. "
            "Fine-tune it on these photos first, or name its preset, which "
            f"does so here. Received: teacher={spec.text!r} of {known}; "
            f"photos of {', '.join(class_names[:5])}"
        )
    if names == list(class_names):
        return model
    head = find_head(model).layer
    order = [names.index(each) for each in class_names]
    for weight in head.weights:
        values = keras.ops.convert_to_numpy(weight)
        # One output is the second class: of the other two it is the first.
        yes_or_no = values.shape[-1] == 1
        weight.assign(-values if yes_or_no else values[..., order])
    return model


def _accuracy(model, data, part):
    right = count = 0
    size = model.input_shape[1:3]
    for images, labels in getattr(data, part):
        images = np.asarray(images)
        if None not in size and images.shape[1:3] != size:
            images = keras.ops.image.resize(images, size)
        scores = np.asarray(model.predict_on_batch(images))
        if scores.shape[-1] == 1:
            scores = np.concatenate([1 - scores, scores], axis=-1)
        right += np.sum(scores.argmax(-1) == np.asarray(labels))
        count += len(labels)
    return float(right / count)


def _warn_of_less_than_the_student(found, source, data):
    """A teacher that knows less than what the student begins with."""
    start = discriminant_accuracy(*look(source, data))
    for row in found:
        if row["accuracy"] < start:
            warnings.warn(
                f"The teacher {row['label']} names {percent(row['accuracy'])} of "
                f"the {row['part']} images, and a linear classifier on the "
                f"student's own features {percent(start)} of training images that "
                "it has not seen: there is little to learn from it. Does it "
                "read pixels 0 to 255, and are its classes in this order?",
                stacklevel=4,
            )
