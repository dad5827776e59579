"""One cell of a grid: train as `kerastl finetune` does, then measure."""

import dataclasses
import os
import pathlib
import subprocess
import time

import keras
import numpy as np
import tensorflow as tf
from grid import NETWORKS
from grid import Cell

from kerastl import apps
from kerastl.apps.data.load_task import DIGITS
from kerastl.apps.data.load_task import load_task
from kerastl.apps.recipes.adapt_recipe import adapt_recipe
from kerastl.apps.runs.check_method import check_head
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.run_identity import versions
from kerastl.apps.runs.train_soup import train_soup
from kerastl.apps.teachers.adapt_teacher import adapt_teacher
from kerastl.apps.teachers.adapt_teacher import teacher_size
from kerastl.apps.teachers.prepare_teachers import taught
from kerastl.apps.teachers.teacher_spec import TeacherSpec

_BATCH_SIZE = 32
#: Share of each class of data that come without a test part of their own.
_TEST_SPLIT = 0.2


def run_cell(cell: Cell, folders: dict, weights: dict, revision: str) -> dict:
    """Trains one cell and returns its row.

    Nothing is chosen on the validation or test images: what is measured is
    the network after the last epoch, or with `keep = "best"` that of the best
    epoch on the validation images, and then the test images alone judge it.

    Args:
        cell: What to train.
        folders: Folder of each data set by its name.
        weights: Weight file of each network by its name.
        revision: Revision of the code.

    Returns:
        A row of `results.COLUMNS`. Where the loss exploded, `status` says
        so and there are no accuracies.
    """
    started = time.perf_counter()
    keras.backend.clear_session()
    keras.utils.set_random_seed(cell.seed)
    data = _load(cell, folders, cell.image_size)
    preset_name, arguments = NETWORKS[cell.network]
    preset = apps.get_preset(preset_name)
    recipe = apps.get_recipe(cell.method)
    if cell.optimizer == "sgd":
        recipe = recipe.from_scratch()
    if cell.batch_norm:
        recipe = dataclasses.replace(recipe, batch_norm=cell.batch_norm)
    source = preset.build(
        weights[cell.network],
        input_shape=(cell.image_size, cell.image_size, 3),
        include_top="auto" if recipe.needs_source_head else False,
        **arguments,
    )
    check_head(source, False, recipe, data)
    student, _ = prepare_student(
        source,
        num_classes=data.num_classes,
        kernel_size=cell.antialias or None,
        seed=cell.seed,
    )
    row = dataclasses.asdict(cell)
    found = versions()
    row |= {name: found[name] for name in ("kerastl", "keras", "tensorflow")}
    row |= {
        "numpy": found["numpy"],
        "threads": tf.config.threading.get_intra_op_parallelism_threads()
        or os.environ.get("TF_NUM_INTRAOP_THREADS", os.cpu_count()),
        "revision": revision,
    }
    usual = preset.usual_rate(
        None if cell.optimizer == "sgd" else weights[cell.network],
        arguments.get("alpha", 1.0),
    )
    recipe = adapt_recipe(recipe, cell.options)
    try:
        student, _ = train_soup(
            cell.soup,
            student,
            source,
            taught(recipe, _teachers(cell, folders, weights), data),
            data,
            cell.epochs,
            learning_rate=cell.learning_rate or recipe.highest_rate(usual),
            validate=cell.options.selects,
            seed=cell.seed,
            strength=cell.strength,
            new_head=cell.head == "fitted",
            options=cell.options,
        )
    except FloatingPointError:
        row["status"] = "exploded"
    else:
        row["status"] = "done"
        row |= _measure(student, data)
    row["seconds"] = round(time.perf_counter() - started)
    return row


def _teachers(cell, folders, weights):
    if not cell.teacher:
        return []
    name, arguments = NETWORKS[cell.teacher]
    preset = apps.get_preset(name)
    spec = TeacherSpec(name, weights[cell.teacher])
    if spec.arguments != arguments:
        raise ValueError(
            "The name of the teacher's weights tells another width. "
            f"Received: {spec.weights} for {cell.teacher}"
        )
    data = _load(cell, folders, teacher_size(cell.image_size, preset))
    return [adapt_teacher(spec, data, cell.epochs, seed=cell.seed)]


def _load(cell, folders, image_size):
    if cell.data == DIGITS:
        return load_task(
            DIGITS,
            image_size,
            _BATCH_SIZE,
            cell.shots,
            cell.seed,
            cell.augment,
            bool(cell.unlabelled),
        )
    return apps.load_image_folder(
        folders[cell.data],
        image_size=image_size,
        batch_size=_BATCH_SIZE,
        shots=cell.shots,
        test_split=_TEST_SPLIT,
        seed=cell.seed,
        augment=cell.augment,
        unlabelled=bool(cell.unlabelled),
    )


def _measure(student, data):
    measured = {}
    for part in ("validation", "test"):
        images, labels = data.images(part)
        scores = student.predict(
            images.astype("float32"), batch_size=64, verbose=0
        )
        right = float(np.mean(scores.argmax(-1) == labels))
        measured[part] = round(100 * right, 3)
        measured[f"{part}_images"] = len(labels)
        if part == "validation":
            said = scores[np.arange(len(labels)), labels]
            nll = -np.mean(np.log(np.maximum(said, 1e-7)))
            measured["validation_nll"] = round(float(nll), 5)
    return measured


def git_revision() -> str:
    """The commit that is checked out, with `+` where files are changed."""
    folder = pathlib.Path(__file__).parent

    def git(*arguments):
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "*.py")
        return git("rev-parse", "--short=12", "HEAD") + "+" * bool(changed)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
