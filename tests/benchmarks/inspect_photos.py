"""How many swapped labels and leaked copies `kerastl inspect` finds.

    python tests/benchmarks/inspect_photos.py FOLDER WEIGHTS FEATURES

FOLDER has train, validation and test parts (clothing-dataset-small, CC0), and
is left as it is. 20 training photos, drawn by the seed, get another class: they
have to be among the first 40 doubtful ones. In a copy of the folder 10 training
photos are copied to the test part, 5 as they are and 5 at nine tenths of the
size and JPEG quality 80: they have to be among the copies. Wrong labels and
copies that were there before count as neither. The features of MobileNetV2 1.0
at 160 px are computed once, as no photo changes, and kept in FEATURES (.npy).
How the features are reduced was chosen with the labels of seeds 0 to 5.
Writes inspect_photos.json beside itself.
"""

import argparse
import json
import pathlib
import random
import shutil
import tempfile
import time

import numpy as np
from PIL import Image

from kerastl.apps.data.decode_image import load_images
from kerastl.apps.data.list_image_folder import list_image_folder
from kerastl.apps.inspect.inspect_photos import inspect_photos
from kerastl.apps.inspect.photo_checks import find_doubtful

LABEL_SEEDS = range(10)
COPY_SEEDS = range(2)
SWAPPED, LEAKED, LOOKED_AT = 20, 10, 40
SIZE, BATCH = 160, 64


def compute_features(files, weights):
    from kerastl import apps
    from kerastl.surgery.feature_extractor import embed

    network = embed(
        apps.MobileNetV2(weights=weights, input_shape=(SIZE, SIZE, 3))
    )
    batches = range(0, len(files), BATCH)
    return np.concatenate(
        [
            network.predict_on_batch(
                load_images(files[start : start + BATCH], SIZE)
            )
            for start in batches
        ]
    )


def find_swapped(features, labels, trained_on, seed):
    """How many of the swapped labels are found among the first."""
    generator = np.random.default_rng(seed)
    given = labels.copy()
    swapped = generator.choice(trained_on, SWAPPED, replace=False)
    count = labels.max() + 1
    given[swapped] += generator.integers(1, count, SWAPPED)
    given %= count
    spent = time.process_time()
    found = [index for index, _ in find_doubtful(features, given)]
    return {
        "seed": seed,
        "found": len(set(found[:LOOKED_AT]) & set(swapped.tolist())),
        "doubtful": len(found),
        "processor_seconds": round(time.process_time() - spent, 1),
    }


def leak(folder, seed):
    """Copies photos to the test part; returns the pairs of names."""
    photos = sorted(folder.glob("train/*/*.jpg"))
    chosen = random.Random(seed).sample(photos, LEAKED)
    pairs = []
    for number, photo in enumerate(chosen):
        target = folder / "test" / photo.parent.name / f"leaked-{number}.jpg"
        if number % 2:
            with Image.open(photo) as image:
                size = [round(0.9 * length) for length in image.size]
                image = image.resize(size, Image.Resampling.LANCZOS)
            image.save(target, quality=80)
        else:
            shutil.copy(photo, target)
        names = (photo.relative_to(folder), target.relative_to(folder))
        pairs.append(set(map(str, names)))
    return pairs


def find_leaked(folder, seed):
    """How many of the leaked copies are found."""
    with tempfile.TemporaryDirectory() as place:
        copy = pathlib.Path(place, "photos")
        shutil.copytree(folder, copy)
        pairs = leak(copy, seed)
        spent = time.process_time()
        found = inspect_photos(copy)
        groups = [{row["file"] for row in group} for group in found.copies]
        return {
            "seed": seed,
            "found": sum(
                any(pair <= group for group in groups) for pair in pairs
            ),
            "leaks": len(found.leaks),
            "groups": len(groups),
            "processor_seconds": round(time.process_time() - spent, 1),
        }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("weights")
    parser.add_argument("features", type=pathlib.Path)
    arguments = parser.parse_args()
    parts = list_image_folder(arguments.folder).parts
    members = [pair for pairs in parts.values() for pair in pairs]
    labels = np.array([label for _, label in members])
    if not arguments.features.exists():
        files = [file for file, _ in members]
        np.save(arguments.features, compute_features(files, arguments.weights))
    features = np.load(arguments.features)
    results = {
        "photos": len(members),
        "swapped": SWAPPED,
        "looked_at": LOOKED_AT,
        "leaked": LEAKED,
        "labels": [
            find_swapped(features, labels, len(parts["train"]), seed)
            for seed in LABEL_SEEDS
        ],
        "copies": [find_leaked(arguments.folder, seed) for seed in COPY_SEEDS],
    }
    text = json.dumps(results, indent=2)
    pathlib.Path(__file__).with_suffix(".json").write_text(f"{text}\n")
    print(text)


if __name__ == "__main__":
    main()
