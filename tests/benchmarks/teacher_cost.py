"""What a training step costs with a teacher beside.

    python tests/benchmarks/teacher_cost.py

writes `teacher_cost.json` beside this file. A MobileNetV2 0.35 at 128 px
learns from 32 labelled and 32 unlabelled images and a MobileNetV2 of full width
at 160 px, without XLA. `ratio` is such a step over what it cannot do without: a
plain step on all 64 images, and a forward pass of the teacher on them.
`of_plain` is it over the plain step. The three are timed in turn, in one
process; each is the median over the rounds.
"""

import json
import os
import pathlib
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import kerastl
from kerastl import apps

RESULTS = pathlib.Path(__file__).with_suffix(".json")
SIZE, LARGER, CLASSES, HALF = 128, 160, 10, 32
ROUNDS, STEPS = 15, 3


def network(alpha, size):
    return apps.MobileNetV2(
        weights=None, alpha=alpha, input_shape=(size, size, 3), classes=CLASSES
    )


def tuner(losses):
    made = kerastl.FineTuner(network(0.35, SIZE), batch_norm="freeze")
    made.compile(
        keras.optimizers.Adam(1e-4),
        "sparse_categorical_crossentropy",
        transfer_losses=losses,
        jit_compile=False,
    )
    return made


def main():
    teacher = network(1.0, LARGER)
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (2 * HALF, SIZE, SIZE, 3))
    images = tf.constant(images, "float32")
    labels = tf.constant(generator.integers(0, CLASSES, 2 * HALF), "int32")
    halves = {"images": images[:HALF], "unlabelled": images[HALF:]}
    plain = tuner([])
    taught = tuner([kerastl.losses.TeacherDistillation(teacher)])

    @tf.function
    def look(images):
        larger = tf.image.resize(images, (LARGER, LARGER))
        return teacher(larger, training=False)

    works = {
        "plain": lambda: plain.train_on_batch(images, labels),
        "forward": lambda: look(images),
        "taught": lambda: taught.train_on_batch(halves, labels[:HALF]),
    }
    seconds = {name: [] for name in works}
    for round_ in range(ROUNDS + 1):
        for name, work in works.items():
            started = time.perf_counter()
            for _ in range(STEPS):
                work()
            # The first has traced the graphs.
            if round_:
                seconds[name].append((time.perf_counter() - started) / STEPS)
    found = {name: statistics.median(each) for name, each in seconds.items()}
    least = found["plain"] + found["forward"]
    row = {
        "ratio": round(found["taught"] / least, 3),
        "of_plain": round(found["taught"] / found["plain"], 3),
        "seconds": {name: round(value, 4) for name, value in found.items()},
        "rounds": ROUNDS,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
    }
    RESULTS.write_text(json.dumps(row, indent=1) + "\n")
    print(row)


if __name__ == "__main__":
    main()
