"""What a training step of every method costs, beside plain fine-tuning.

    python tests/benchmarks/method_cost.py

writes `method_cost.json` beside this file. Anti-aliased MobileNetV2 0.35 at
64 px, batch 32, without XLA, on random images. Every method has a process of
its own, in which a few of its epochs and a few of plain fine-tuning are timed
in turn, callbacks and data included, the first epoch of a `fit` not; a ratio is
the median over the rounds. Memory is
what the process takes at its peak for the method, over what it takes for plain
fine-tuning, the imports and the images not counted.

`minimum` is the ratio that follows from the `passes` of a method's recipe, each
timed in the same process: a pass of the source, a forward pass of the student,
a whole further step. For DDAC, which puts convolutions in, it is the ratio of
the multiply-adds. `excess` is what is above it. An epoch has
four steps: what a method does once an epoch weighs more than in a real one.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

RESULTS = pathlib.Path(__file__).with_suffix(".json")
IMAGE_SIZE = 64
BATCH_SIZE = 32
CLASSES = 100
STEPS = 4
ROUNDS = 4
EPOCHS = 4


def peak_memory():
    """The most that the process has taken, in bytes."""
    status = pathlib.Path("/proc/self/status").read_text()
    line = next(li for li in status.splitlines() if li.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def measure(name):
    """Times one method; runs in a process of its own."""
    import keras
    import numpy as np

    import kerastl
    from kerastl import apps
    from kerastl.apps.data.image_data import ImageData
    from kerastl.apps.data.image_part import ImagePart
    from kerastl.apps.presets.imagenet import imagenet_classes
    from kerastl.apps.recipes.recipe import Setting
    from kerastl.apps.runs.train_network import make_tuner
    from kerastl.apps.runs.train_network import training_data

    class Clock(keras.callbacks.Callback):
        """Stops a training that knows how long it is after a few epochs."""

        def on_train_begin(self, logs=None):
            self.times = []

        def on_epoch_end(self, epoch, logs=None):
            self.times.append(time.perf_counter())
            self.model.stop_training = len(self.times) == EPOCHS

    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)

    def part(count):
        images = generator.integers(0, 255, (count, IMAGE_SIZE, IMAGE_SIZE, 3))
        labels = (np.arange(count) % 10).astype("int32")
        return ImagePart(labels, IMAGE_SIZE, images.astype("uint8"))

    data = ImageData(
        {"train": part(BATCH_SIZE * STEPS), "validation": part(20)},
        list("abcdefghij"),
        IMAGE_SIZE,
        batch_size=BATCH_SIZE,
        unlabelled=part(BATCH_SIZE * STEPS),
    )
    source = apps.MobileNetV2(
        weights=None,
        input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3),
        alpha=0.35,
        classes=CLASSES,
    )
    blurred = kerastl.antialias(source)

    def prepare(method):
        recipe = apps.get_recipe(method)
        student = kerastl.replace_head(blurred, 10, seed=0)
        total = 2 * EPOCHS * (ROUNDS + 1)
        setting = Setting(student, source, data, total, STEPS, 1e-4)
        setting.source_classes = list(imagenet_classes())[:CLASSES]
        tuner = make_tuner(recipe, setting, jit_compile=False)
        batches = training_data(recipe, setting)
        callbacks = recipe.callbacks(setting)

        def epochs(turn):
            """Seconds of each of a few epochs but the first."""
            clock = Clock()
            data.next_epoch = EPOCHS * turn
            tuner.fit(
                batches,
                initial_epoch=EPOCHS * turn,
                epochs=total,
                callbacks=[*callbacks, clock],
                shuffle=False,
                verbose=0,
            )
            return np.diff(clock.times)

        return epochs, tuner

    before = peak_memory()
    method, trained = prepare(name)
    method(0)
    memory = peak_memory() - before
    if name == "fine_tune":
        return {"memory": memory}
    plain, tuner = prepare("fine_tune")
    plain(0)
    images = data.images("train", limit=BATCH_SIZE)[0].astype("float32")

    def forward(model):
        start = time.perf_counter()
        for _ in range(STEPS):
            model.predict_on_batch(images)
        return [time.perf_counter() - start]

    passes = {
        "method": method,
        "plain": plain,
        "source": lambda _: forward(source),
        "student": lambda _: forward(tuner.student),
    }
    forward(source)
    forward(tuner.student)
    times = {key: [] for key in passes}
    for turn in range(1, ROUNDS + 1):
        for key, run in passes.items():
            times[key].append(float(np.median(run(turn))))
    middle = {key: float(np.median(taken)) for key, taken in times.items()}
    rounds = np.divide(times["method"], times["plain"])
    sources, forwards, steps = apps.get_recipe(name).passes
    minimum = (
        1
        + steps
        + (sources * middle["source"] + forwards * middle["student"])
        / middle["plain"]
    )
    if name == "ddac":
        minimum *= kerastl.count_multiply_adds(trained.student)
        minimum /= kerastl.count_multiply_adds(tuner.student)
    ratio = float(np.median(rounds))
    return {
        "ratio": round(ratio, 2),
        "quartiles": np.percentile(rounds, [25, 75]).round(2).tolist(),
        "minimum": round(minimum, 2),
        "excess": round(ratio / minimum - 1, 2),
        "step_ms": round(1000 * middle["plain"] / STEPS, 1),
        "memory": memory,
    }


def in_process(name):
    finished = subprocess.run(
        [sys.executable, __file__, "--only", name],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(finished.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="measure one method and print it")
    parser.add_argument("methods", nargs="*", help="default: all that train")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only)))
        return
    from kerastl import apps
    from kerastl.apps.runs.run_identity import versions

    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    methods = results.get("methods", {})
    plain = in_process("fine_tune")["memory"]
    for name, recipe in apps.RECIPES.items():
        wanted = not options.methods or name in options.methods
        if not recipe.trains or name == "fine_tune" or not wanted:
            continue
        methods[name] = in_process(name)
        methods[name]["memory"] = round(methods[name]["memory"] / plain, 2)
        print(name, methods[name], flush=True)
        results = {
            "network": "anti-aliased MobileNetV2 0.35, 64 px, batch 32, CPU",
            "methods": {
                name: methods[name] for name in apps.RECIPES if name in methods
            },
            "versions": versions(),
        }
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
