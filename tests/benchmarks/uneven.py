"""What uneven classes cost, and what is got back.

    python tests/benchmarks/uneven.py WEIGHTS CLOTHING SIGNS

writes `uneven.json` beside this file. WEIGHTS is the file of a MobileNetV2
0.35, the others are folders of photos. Of ten classes the largest has 60
photos, each one after it a smaller share, the last 3; which is which the seed
draws. The network is trained for 20 epochs as `kerastl finetune` trains (128
px), and judged on the validation and test photos together: `accuracy`, and
`balanced`, the mean over the classes. `adjusted` is the same network after
`kerastl.surgery.adjust_logits`; `weighted` was trained with class weights
instead, inverse to the shares.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from photo_rows import run_missing

from kerastl import apps
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.train_network import train_network
from kerastl.surgery import adjust_logits

RESULTS = pathlib.Path(__file__).with_suffix(".json")
METHOD = "averaged_imprinting"
MOST, LEAST, SIZE, EPOCHS, SEEDS = 60, 3, 128, 20, range(5)


def uneven(folder, seed):
    """The photos of a folder, the classes of the training part uneven."""
    data = apps.load_image_folder(
        folder, SIZE, shots=MOST, test_split=0.2, seed=seed
    )
    part, classes = data.parts["train"], data.num_classes
    falling = (LEAST / MOST) ** (np.arange(classes) / (classes - 1))
    order = np.random.default_rng(seed).permutation(classes)
    counts = dict(zip(order, np.rint(MOST * falling).astype(int), strict=True))
    kept = [
        np.flatnonzero(part.labels == label)[: counts[label]]
        for label in range(classes)
    ]
    data.parts["train"] = part.take(np.sort(np.concatenate(kept)))
    return data, np.array([counts[label] for label in range(classes)])


def train(recipe, data, weights, seed, epochs=EPOCHS):
    """A MobileNetV2 0.35, trained as `kerastl finetune` trains it."""
    keras.utils.set_random_seed(seed)
    preset = apps.get_preset("mobilenet_v2")
    source = preset.build(
        weights, (SIZE, SIZE, 3), include_top=False, alpha=0.35
    )
    student, _ = prepare_student(source, data.num_classes, seed=seed)
    rate = recipe.highest_rate(preset.usual_rate(weights, 0.35))
    student, _ = train_network(
        student,
        source,
        recipe,
        data,
        epochs,
        learning_rate=rate,
        validate=False,
        seed=seed,
        new_head=True,
    )
    return student


def weigh(recipe, weights):
    """The recipe, with a weight for the images of each class."""
    weights = tf.constant(weights, "float32")

    def dataset(setting, batches):
        return batches.map(lambda x, y: (x, y, tf.gather(weights, y)))

    return dataclasses.replace(recipe, dataset=dataset)


def judge(network, data):
    """Accuracy, and its mean over the classes, in percent."""
    parts = [data.images(name) for name in ("validation", "test")]
    images, labels = map(np.concatenate, zip(*parts, strict=True))
    scores = network.predict(images.astype("float32"), verbose=0)
    right = scores.argmax(-1) == labels
    each = [right[labels == label].mean() for label in range(data.num_classes)]
    return {
        "accuracy": round(100 * float(right.mean()), 2),
        "balanced": round(100 * float(np.mean(each)), 2),
    }


def measure(folder, weights, seed):
    data, counts = uneven(folder, seed)
    inverse = counts.sum() / (len(counts) * counts)
    recipe = apps.get_recipe(METHOD)
    row = {"counts": counts.tolist()}
    network = train(recipe, data, weights, seed)
    row["plain"] = judge(network, data)
    adjust_logits(network, counts)
    row["adjusted"] = judge(network, data)
    network = train(weigh(recipe, inverse), data, weights, seed)
    row["weighted"] = judge(network, data)
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
        lambda cell: measure(
            folders[cell["data"]], options.weights, cell["seed"]
        ),
    )


if __name__ == "__main__":
    main()
