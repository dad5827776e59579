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
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from uneven import SIZE
from uneven import train

from kerastl import apps
from kerastl import export
from kerastl.apps.teachers.adapt_teacher import METHOD
from kerastl.apps.teachers.taught import taught

RESULTS = pathlib.Path(__file__).with_suffix(".json")
SHOTS, SEEDS = 10, range(3)
MEMBERS = ("fine_tune", METHOD, "l2_sp", "rifle", "self_training")


def scores(model, data):
    """Probabilities of the photos, and their labels."""
    runner, found, labels = export.load(model), [], []
    for part in ("validation", "test"):
        images, truth = data.images(part)
        found.append(runner.classify(images))
        labels.append(truth)
    return np.concatenate(found), np.concatenate(labels)


def right(found, labels):
    return round(100 * float(np.mean(found.argmax(-1) == labels)), 2)


def measure(options, folder, seed):
    data = apps.load_image_folder(
        folder, SIZE, shots=SHOTS, test_split=0.2, seed=seed, unlabelled=True
    )
    models, answers = [], {}
    for method in MEMBERS:
        recipe = apps.get_recipe(method)
        models.append(train(recipe, data, options.weights, seed))
        answers[method], labels = scores(models[-1], data)
    members = {name: right(said, labels) for name, said in answers.items()}
    row = {
        "data": folder.name,
        "seed": seed,
        "members": members,
        "alone": members[METHOD],
        "self_training": members["self_training"],
    }
    for name, count in (("", len(models)), ("_without_self_training", -1)):
        mean = np.mean(list(answers.values())[:count], axis=0)
        recipe = taught(apps.get_recipe(METHOD), models[:count], data)
        student = train(recipe, data, options.weights, seed)
        row |= {
            f"ensemble{name}": right(mean, labels),
            f"taught{name}": right(*scores(student, data)),
        }
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("folders", type=pathlib.Path, nargs="+")
    options = parser.parse_args()
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    done = {(row["data"], row["seed"]) for row in rows}
    for seed in SEEDS:
        for folder in options.folders:
            if (folder.name, seed) in done:
                continue
            rows.append(measure(options, folder, seed))
            RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
            print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
