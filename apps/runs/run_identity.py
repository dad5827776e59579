"""What a run is made from, as digests that a resumption is held against."""

import dataclasses
import hashlib
import importlib.metadata
import inspect
import os
import pathlib
import platform
import unicodedata

import keras
import numpy as np

from kerastl.apps.data.class_names import labels_beside
from kerastl.apps.data.image_part import map_in_threads
from kerastl.apps.data.same_photos import digest_file
from kerastl.apps.recipes.training_options import TrainingOptions
from kerastl.apps.texts import literal

_LENGTH = 16


def run_identity(
    data, weights, source_classes=None, unlabelled=None, teachers=()
):
    """Returns what tells whether data and weights are still the same.

    Of files their contents count, and their names below the folder, which
    decide how they are split; of arrays the arrays.

    Args:
        data: The `apps.ImageData` of the run.
        weights: A file, a model, a name or `None`, as `apps.fine_tune` takes
            them.
        source_classes: Names of the classes of the weights, or `None`.
        unlabelled: Folder of the unlabelled images, where it is another.
        teachers: Weights or models of the teachers, as `weights` is.

    Returns:
        A dict, ready for JSON: `class_names`, `images` (a dict from part and
        class to the number of images and their digest), `weights`,
        `source_classes`, `teachers` and `teacher_classes`, the names beside
        a teacher's file, which say what its outputs stand for.
    """
    root = getattr(data, "path", None)
    images = {}
    for name, part in data.parts.items():
        for label, class_name in enumerate(data.class_names):
            places = np.flatnonzero(part.labels == label)
            images[f"{name}/{class_name}"] = _digest_part(part, places, root)
    if data.unlabelled is not None:
        part = data.unlabelled
        places = np.arange(len(part))
        if isinstance(unlabelled, str | pathlib.Path):
            root = unlabelled
        images["unlabelled"] = _digest_part(part, places, root)
    return {
        "class_names": data.class_names,
        "images": images,
        "weights": _digest_weights(weights),
        "source_classes": source_classes,
        "teachers": [_digest_weights(each) for each in teachers],
        "teacher_classes": [labels_beside(each) for each in teachers],
    }


def describe_changes(before, now):
    """Returns in sentences what is different, an empty list if nothing is.

    Args:
        before: What `run_identity` returned when the run began.
        now: What it returns now.
    """
    if before["class_names"] != now["class_names"]:
        return [_changed_classes(before["class_names"], now["class_names"])]
    changes = []
    for name in sorted({*before["images"], *now["images"]}):
        old = before["images"].get(name, [0, None])
        new = now["images"].get(name, [0, None])
        if old[0] != new[0]:
            changes.append(f"{name} had {old[0]} images, has {new[0]}")
        elif old[1] != new[1]:
            changes.append(f"{name} has other images")
    if before["weights"] != now["weights"]:
        changes.append("the weights have other contents")
    if before["source_classes"] != now["source_classes"]:
        changes.append("the labels.txt beside the weights names other classes")
    # Runs of before teachers have none.
    if before.get("teachers", []) != now.get("teachers", []):
        changes.append("the teacher has other contents")
    now_named = now.get("teacher_classes", [])
    if before.get("teacher_classes", now_named) != now_named:
        changes.append("the labels.txt beside the teacher names other classes")
    return changes


def _changed_classes(before, now):
    gone = [name for name in before if name not in now]
    new = [name for name in now if name not in before]
    if not gone and not new:
        return "the classes are in another order"
    return f"the classes {gone or 'of before'} are now {new or 'missing'}"


def _digest_part(part, places, root):
    """Returns the number of images, and a digest of all."""
    if part.files is None:
        rows = [part.images[places]] if part.images is not None else []
        return [len(places), _digest(rows)]
    files = [part.files[place] for place in places]
    names = [_name(file, root) for file in files]
    contents = map_in_threads(digest_file, files, "taking digests of")
    return [
        len(places),
        _digest(
            text.encode("utf-8", "backslashreplace")
            for pair in zip(names, contents, strict=True)
            for text in pair
        ),
    ]


def _name(file, root):
    """The name below `root`, however it is written on this machine."""
    name = os.path.relpath(file, root) if root else os.path.basename(file)
    return literal(
        unicodedata.normalize("NFC", pathlib.PurePath(name).as_posix())
    )


def _digest_weights(weights):
    if isinstance(weights, keras.Model):
        values = map(keras.ops.convert_to_numpy, weights.variables)
        return _digest(values)
    if isinstance(weights, str | pathlib.Path) and os.path.isfile(weights):
        return digest_file(weights)
    return None


def _digest(values):
    digest = hashlib.blake2b(digest_size=_LENGTH)
    for value in values:
        if isinstance(value, bytes):
            digest.update(value)
        else:
            value = np.ascontiguousarray(value)
            digest.update(f"{value.dtype}{value.shape}".encode())
            digest.update(value.tobytes())
        digest.update(b"\0")
    return digest.hexdigest()


def default_arguments(function, antialias=None):
    """What the arguments of a run are where nothing is asked for.

    Args:
        function: `apps.fine_tune`.
        antialias: Taps of the run's blurs, on which their place depends.

    Returns:
        Dict of those that have a default, as `check_arguments` returns it.
    """
    parameters = inspect.signature(function).parameters.values()
    defaults = {
        each.name: each.default
        for each in parameters
        if each.default is not each.empty
    }
    # Runs of before there was a choice blurred behind activations.
    defaults["blur_place"] = "after" if antialias else None
    return defaults | dataclasses.asdict(TrainingOptions())


_PACKAGES = (
    "keras",
    "tensorflow",
    "ai-edge-litert",
    "onnx",
    "onnxruntime",
    "tf2onnx",
    "numpy",
)


def versions():
    """Returns a dict of name to version, the backend included."""
    import kerastl

    found = {
        "kerastl": kerastl.__version__,
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return {**found, "backend": keras.backend.backend()}
