"""What a bigger network teaches, for longer, and with the rounding of int8.

    python tests/benchmarks/taught_int8.py WEIGHTS TEACHER CLOTHING

writes `taught_int8.json` beside this file. Of each kind of clothing 25 photos
are labelled, and the other photos teach without their labels. WEIGHTS is the
file of a MobileNetV2 0.35 (128 px), TEACHER that of full width, which is
adapted once a seed (20 epochs, 160 px). The student learns its answers for 20
epochs, and another for 60. With three seeds there are int8 files of the first:
of the network itself, of copies that were trained 5 and 20 epochs more as
`--qat` does it, and of copies that learned the teacher's answers, too, with
their rounding. Accuracy is on the validation and test photos together, `same`
the share of them that a file names as the network does that it was made from.
"""

import argparse
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from photo_rows import percent_right
from photo_rows import photo_scores
from photo_rows import run_missing
from uneven import EPOCHS
from uneven import SIZE
from uneven import train

from kerastl import apps
from kerastl import export
from kerastl.apps.runs import train_aware
from kerastl.apps.runs.train_network import train_network
from kerastl.apps.teachers.adapt_teacher import METHOD
from kerastl.apps.teachers.adapt_teacher import adapt_teacher
from kerastl.apps.teachers.adapt_teacher import teacher_size
from kerastl.apps.teachers.prepare_teachers import taught
from kerastl.apps.teachers.teacher_spec import TeacherSpec

RESULTS = pathlib.Path(__file__).with_suffix(".json")
SHOTS, SEEDS, LONGER = 25, range(5), 3
AWARE, AWARE_SEEDS = (5, 20), range(3)


def load(folder, size, seed):
    return apps.load_image_folder(
        folder, size, shots=SHOTS, seed=seed, unlabelled=True
    )


def accuracy(model, data):
    return percent_right(*photo_scores(model, data))


def adapt(options, seed, keep=None):
    """The teacher of a seed, and its accuracy at its own image size.

    Args:
        options: Those of the command line.
        seed: The seed.
        keep: File that it is read from, and written to; `None` keeps none.
    """
    size = teacher_size(SIZE, apps.get_preset("mobilenet_v2"))
    data = load(options.clothing, size, seed)
    if keep is not None and keep.exists():
        teacher = keras.models.load_model(keep)
    else:
        spec = TeacherSpec("mobilenet_v2", options.teacher)
        teacher = adapt_teacher(spec, data, EPOCHS, seed=seed)
        if keep is not None:
            keep.parent.mkdir(parents=True, exist_ok=True)
            teacher.save(keep)
    return teacher, accuracy(teacher, data)


def judge_file(network, data, reference):
    """Accuracy and agreement of the int8 file of a network."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.tflite"
        export.to_tflite(
            network, path, scheme="int8", calibration=data.calibration
        )
        scores, labels = photo_scores(path, data)
    expected, _ = photo_scores(reference, data)
    return {
        "accuracy": percent_right(scores, labels),
        "same": percent_right(scores, expected.argmax(-1)),
    }


def measure(options, seed):
    teacher, right = adapt(options, seed)
    row = {"teacher": right}
    data = load(options.clothing, SIZE, seed)
    recipe = taught(apps.get_recipe(METHOD), [teacher], data)
    student = train(recipe, data, options.weights, seed)
    row["student"] = accuracy(student, data)
    row["longer"] = accuracy(
        train(recipe, data, options.weights, seed, EPOCHS * LONGER), data
    )
    if seed not in AWARE_SEEDS:
        return row
    row["int8"] = judge_file(student, data, student)
    for name, recipe in (
        ("qat", train_aware.RECIPE),
        ("taught_qat", taught(train_aware.RECIPE, [teacher], data)),
    ):
        for epochs in AWARE:
            aware, _ = train_network(
                student, student, recipe, data, epochs, seed=seed
            )
            row[f"{name}_{epochs}"] = judge_file(aware, data, student)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("weights", "teacher", "clothing"):
        parser.add_argument(name, type=pathlib.Path)
    options = parser.parse_args()
    run_missing(
        RESULTS,
        [{"seed": seed} for seed in SEEDS],
        lambda cell: measure(options, cell["seed"]),
    )


if __name__ == "__main__":
    main()
