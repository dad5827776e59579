"""How near a student comes to its teacher, by the epochs that it learns.

    python tests/benchmarks/patient_teacher.py WEIGHTS TEACHER CLOTHING

writes `patient_teacher.json` beside this file. Of each kind of clothing 25
photos are labelled, and the other photos teach without their labels. WEIGHTS is
the file of a MobileNetV2 0.35 (128 px), TEACHER that of full width, which is
adapted once a seed (20 epochs, 160 px) and kept in the work folder. Accuracy is
on the validation and test photos together, and nothing is chosen on them.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from photo_rows import run_missing
from taught_int8 import accuracy
from taught_int8 import adapt
from taught_int8 import load
from uneven import EPOCHS
from uneven import SIZE
from uneven import train

from kerastl import apps
from kerastl.apps.teachers.adapt_teacher import METHOD
from kerastl.apps.teachers.prepare_teachers import taught

RESULTS = pathlib.Path(__file__).with_suffix(".json")
SEEDS = range(5)
LENGTHS = (100, EPOCHS)


def measure(options, seed, epochs):
    teacher, right = adapt(
        options, seed, keep=options.work / f"teacher{seed}.keras"
    )
    data = load(options.clothing, SIZE, seed)
    recipe = taught(apps.get_recipe(METHOD), [teacher], data)
    student = train(recipe, data, options.weights, seed, epochs)
    return {"teacher": right, "student": accuracy(student, data)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("weights", "teacher", "clothing"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument(
        "--work",
        type=pathlib.Path,
        default=pathlib.Path("runs/patient_teacher"),
    )
    options = parser.parse_args()
    run_missing(
        RESULTS,
        [
            {"seed": seed, "epochs": epochs}
            for epochs in LENGTHS
            for seed in SEEDS
        ],
        lambda cell: measure(options, **cell),
    )


if __name__ == "__main__":
    main()
