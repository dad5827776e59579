"""What an epoch costs where the frozen part's outputs are stored.

    python tests/benchmarks/stored_features.py

writes `stored_features.json` beside this file. MobileNetV2 0.35 at 96 px, batch
32, without XLA, on the CPU. What is compared trains an epoch each in turn, over
and over in one process; a ratio is the median over the rounds.

- Tuning the layers from block 13 on, those below frozen: the whole network,
  its top on what `store_features` kept, and the same top on random numbers,
  which is the least that it can take.
- DELTA without attention and KTFT: on images, on images with the source's
  features from `store_source_features`, and plain fine-tuning.

`store` is what storing takes, in epochs of the training that it saves.
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

import kerastl
from kerastl import apps
from kerastl.apps.data.image_pipeline import prefetch_batches
from kerastl.apps.runs.run_identity import versions

RESULTS = pathlib.Path(__file__).with_suffix(".json")
SIZE = 96
BATCH = 32
IMAGES = 256
LAST_FROZEN = "block_12_add"
CLASSES = 10


def compiled(model, **arguments):
    model.compile(
        keras.optimizers.SGD(0.001, momentum=0.9),
        "sparse_categorical_crossentropy",
        jit_compile=False,
        **arguments,
    )
    return model


def batches_of(*arrays):
    """Without `tf.data`'s autotuner, whose waits would be what is measured."""
    rows = tf.data.Dataset.from_tensor_slices(arrays)
    return prefetch_batches(rows.batch(BATCH))


def epoch_of(model, batches):
    return lambda: model.fit(batches, verbose=0)


def timed(run):
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def top_runs(source, images, labels):
    network = kerastl.replace_head(source, CLASSES, seed=0)
    frozen = [layer.name for layer in network.layers].index(LAST_FROZEN)
    for layer in network.layers[: frozen + 1]:
        layer.trainable = False
    runs = {"whole": epoch_of(compiled(network), batches_of(images, labels))}
    seconds, stored = timed(
        lambda: kerastl.store_features(network, LAST_FROZEN, (images, labels))
    )
    top = compiled(kerastl.surgery.copy_model(stored.top))
    runs["stored"] = epoch_of(top, batches_of(stored.features, labels))
    noise = np.random.default_rng(0).normal(size=stored.features.shape)
    top = compiled(kerastl.surgery.copy_model(stored.top))
    noise = batches_of(noise.astype("float32"), labels)
    runs["top alone"] = epoch_of(top, noise)
    return runs, seconds


def source_runs(source, images, labels):
    student = kerastl.replace_head(kerastl.antialias(source), CLASSES, seed=0)

    def tuner(losses=None):
        copy = kerastl.surgery.copy_model(student)
        return compiled(
            kerastl.FineTuner(copy, source if losses else None),
            transfer_losses=losses,
        )

    methods = {
        "ktft": lambda: [
            kerastl.losses.PixelLevel(10.0, relative=True),
            kerastl.losses.GlobalLevel(10.0, relative=True),
        ],
        "feature_map": lambda: [kerastl.losses.DELTA()],
    }
    batches = batches_of(images, labels)
    runs, seconds = {"plain": epoch_of(tuner(), batches)}, {}
    for name, losses in methods.items():
        runs[name] = epoch_of(tuner(losses()), batches)
        stored = tuner(losses())
        seconds[name], data = timed(
            lambda stored=stored: kerastl.store_source_features(stored, batches)
        )
        runs[f"{name} stored"] = epoch_of(stored, data)
    return runs, seconds


def measure(runs, base, rounds):
    """Seconds of each in every round, and the median ratio to `base`."""
    for run in runs.values():
        run()
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(timed(run)[0])
    ratios = {
        name: round(float(np.median(np.divide(taken, times[base]))), 3)
        for name, taken in times.items()
    }
    return ratios, {name: float(np.median(t)) for name, t in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (IMAGES, SIZE, SIZE, 3))
    images = images.astype("float32")
    labels = (np.arange(IMAGES) % CLASSES).astype("int32")
    source = apps.MobileNetV2(
        weights=None, input_shape=(SIZE, SIZE, 3), alpha=0.35, classes=100
    )
    results = {"network": f"MobileNetV2 0.35, {SIZE} px, batch {BATCH}, CPU"}
    runs, stored = top_runs(source, images, labels)
    ratios, seconds = measure(runs, "top alone", options.rounds)
    results["top"] = {
        "last_frozen": LAST_FROZEN,
        "epoch / epoch of the top alone": ratios,
        "store": round(stored / seconds["whole"], 2),
    }
    runs, stored = source_runs(source, images, labels)
    ratios, seconds = measure(runs, "plain", options.rounds)
    results["source"] = {
        "epoch / plain epoch": ratios,
        "store": {
            name: round(taken / seconds[name], 2)
            for name, taken in stored.items()
        },
    }
    results["versions"] = versions()
    print(json.dumps(results, indent=1))
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
