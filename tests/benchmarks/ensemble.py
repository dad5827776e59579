"""Can several small networks together teach one of their kind?

    python tests/benchmarks/ensemble.py WEIGHTS CLOTHING

writes `ensemble.json` beside this file. Ten photos of each class are labelled,
the others are there without their labels. MobileNetV2 0.35 (128 px, file
WEIGHTS) is fine-tuned by several methods; `members` has the accuracy of each,
`ensemble` that of their mean probabilities. Then one more learns what they say
together of all photos, as `kerastl finetune --teacher runs/a,runs/b,...
--unlabelled` does it: `taught`. `alone` is the method that it learns by without
them, `self_training` what a network teaches itself on the same photos.
Accuracy is on the validation and test photos together.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from photo_rows import percent_right
from photo_rows import photo_scores
from photo_rows import run_missing
from uneven import SIZE
from uneven import train

from kerastl import apps
from kerastl.apps.teachers.adapt_teacher import METHOD
from kerastl.apps.teachers.prepare_teachers import taught

RESULTS = pathlib.Path(__file__).with_suffix(".json")
SHOTS, SEEDS = 10, range(3)
MEMBERS = ("fine_tune", METHOD, "l2_sp", "rifle", "self_training")


def measure(options, folder, seed):
    data = apps.load_image_folder(
        folder, SIZE, shots=SHOTS, test_split=0.2, seed=seed, unlabelled=True
    )
    models, answers = [], {}
    for method in MEMBERS:
        recipe = apps.get_recipe(method)
        models.append(train(recipe, data, options.weights, seed))
        answers[method], labels = photo_scores(models[-1], data)
    members = {
        name: percent_right(said, labels) for name, said in answers.items()
    }
    row = {
        "members": members,
        "alone": members[METHOD],
        "self_training": members["self_training"],
    }
    for name, count in (("", len(models)), ("_without_self_training", -1)):
        mean = np.mean(list(answers.values())[:count], axis=0)
        recipe = taught(apps.get_recipe(METHOD), models[:count], data)
        student = train(recipe, data, options.weights, seed)
        row |= {
            f"ensemble{name}": percent_right(mean, labels),
            f"taught{name}": percent_right(*photo_scores(student, data)),
        }
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("folders", type=pathlib.Path, nargs="+")
    options = parser.parse_args()
    folders = {folder.name: folder for folder in options.folders}
    run_missing(
        RESULTS,
        [{"data": name, "seed": seed} for seed in SEEDS for name in folders],
        lambda cell: measure(options, folders[cell["data"]], cell["seed"]),
    )


if __name__ == "__main__":
    main()
