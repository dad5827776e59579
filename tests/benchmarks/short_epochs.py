"""What tf.data's autotuner costs where epochs are short.

    python tests/benchmarks/short_epochs.py

writes `short_epochs.json` beside this file. The autotuner's thread sleeps for a
time that doubles, and the end of a pass over a dataset waits for it, so that an
epoch takes about 0.6, 1.3, 2.5 or 5 seconds and nothing between. kerastl's own
pipelines leave it out. MobileNetV2 0.35, batch 32, on the CPU, no XLA: epochs
with it and without it in turn, in one process, for several numbers of images.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from kerastl import apps
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.runs.run_identity import versions

RESULTS = pathlib.Path(__file__).with_suffix(".json")
SIZE = 96
IMAGES = (100, 150, 250, 400, 600)


def make_data(count):
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 255, (count, SIZE, SIZE, 3), "uint8")
    labels = (np.arange(count) % 10).astype("int32")
    part = ImagePart(labels, SIZE, pixels)
    return ImageData({"train": part}, list("abcdefghij"), SIZE)


def with_autotuner(batches):
    options = tf.data.Options()
    options.autotune.enabled = True
    return batches.with_options(options)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    model = apps.MobileNetV2(
        weights=None, input_shape=(SIZE, SIZE, 3), alpha=0.35, classes=10
    )
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    rows = []
    for count in IMAGES:
        without = make_data(count).train
        epochs = {"without": without, "with": with_autotuner(without)}
        seconds = {name: [] for name in epochs}
        for _ in range(options.rounds + 1):
            for name, batches in epochs.items():
                start = time.perf_counter()
                model.fit(batches, verbose=0)
                seconds[name].append(time.perf_counter() - start)
        ratios = np.divide(seconds["with"], seconds["without"])[1:]
        rows.append(
            {
                "images": count,
                **{
                    f"seconds_{name}": round(float(np.median(taken[1:])), 2)
                    for name, taken in seconds.items()
                },
                "with / without": round(float(np.median(ratios)), 2),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    results = {
        "network": f"MobileNetV2 0.35, {SIZE} px, batch 32, CPU",
        "epochs": rows,
        "versions": versions(),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
