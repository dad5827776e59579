"""Do photos of none of the classes spoil what a teacher teaches?

    python tests/benchmarks/strangers.py WEIGHTS TEACHER CLOTHING SIGNS

writes `strangers.json` beside this file. Ten photos of each kind of clothing
are labelled. The others teach without their labels: once alone, and once with
photos of hands among them, three in ten. WEIGHTS is the file of a MobileNetV2
0.35 (128 px), TEACHER that of full width, which is adapted once a seed and
teaches both. Accuracy is on the validation and test photos together.
"""

import argparse
import copy
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from uneven import EPOCHS
from uneven import SIZE
from uneven import judge
from uneven import train

from kerastl import apps
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.teachers.adapt_teacher import METHOD
from kerastl.apps.teachers.adapt_teacher import adapt_teacher
from kerastl.apps.teachers.adapt_teacher import teacher_size
from kerastl.apps.teachers.prepare_teachers import taught
from kerastl.apps.teachers.teacher_spec import TeacherSpec

RESULTS = pathlib.Path(__file__).with_suffix(".json")
SHOTS, SEEDS, SHARE = 10, range(3), 0.3


def load(folder, size, seed):
    return apps.load_image_folder(
        folder, size, shots=SHOTS, seed=seed, unlabelled=True
    )


def with_strangers(data, folder, seed):
    """The data, photos of another folder among the unlabelled ones."""
    count = round(len(data.unlabelled) * SHARE / (1 - SHARE))
    others = apps.load_image_folder(
        folder, SIZE, validation_split=0.0, seed=seed
    ).parts["train"]
    places = np.random.default_rng(seed).permutation(len(others))[:count]
    images = np.concatenate([data.unlabelled.images, others.read(places)])
    made = copy.copy(data)
    made.unlabelled = ImagePart(
        np.zeros(len(images), "int32"), data.unlabelled.size, images
    )
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("weights", "teacher", "clothing", "signs"):
        parser.add_argument(name, type=pathlib.Path)
    options = parser.parse_args()
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    size = teacher_size(SIZE, apps.get_preset("mobilenet_v2"))
    for seed in SEEDS:
        if seed in {row["seed"] for row in rows}:
            continue
        teacher = adapt_teacher(
            TeacherSpec("mobilenet_v2", options.teacher),
            load(options.clothing, size, seed),
            EPOCHS,
            seed=seed,
        )
        data = load(options.clothing, SIZE, seed)
        row = {"seed": seed, "unlabelled": len(data.unlabelled)}
        for name, each in (
            ("alone", data),
            ("among_strangers", with_strangers(data, options.signs, seed)),
        ):
            recipe = taught(apps.get_recipe(METHOD), [teacher], each)
            network = train(recipe, each, options.weights, seed)
            row[name] = judge(network, data)["accuracy"]
        rows.append(row)
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
        print(row, flush=True)


if __name__ == "__main__":
    main()
