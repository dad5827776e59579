"""What a training step costs with blurs, and where they are.

    python tests/benchmarks/antialias_step.py

writes `antialias_step.json` beside this file. A MobileNetV2 on the CPU, batch
32, strided as it comes, with 3-tap blurs after the activations, and with them
in the strided kernels; without XLA, under XLA in plain Keras, and under XLA in
`FineTuner`, which computes blurs and blurred depthwise convolutions as sums of
shifted maps. Everything runs in turn, a few steps each, over and over in one
process, so that whatever else the machine does hits all of it; a ratio is the
median over the rounds, and processor time is measured beside the clock.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import kerastl
from kerastl.apps.runs.run_identity import versions

RESULTS = pathlib.Path(__file__).with_suffix(".json")
CLASSES = 10
CLOCKS = {"clock": time.perf_counter, "processor": time.process_time}
# How a step is compiled, and how many there are in a round.
WAYS = {"plain": 3, "xla": 1, "FineTuner, xla": 1}
# Width, size and ways by the name for `--networks`. XLA is slow on the CPU.
NETWORKS = {
    "narrow": (0.35, 128, ["plain"]),
    "wide": (1.0, 224, ["plain"]),
    "compiled": (0.35, 96, ["xla", "FineTuner, xla"]),
}
PLACES = ("strided", "after", "kernel")
TARGETS = {"plain: kernel / strided": "at most 1.15"}


def build(alpha, size, images, labels, ways):
    """Functions that each run one step, by way and place."""
    source = keras.applications.MobileNetV2(
        (size, size, 3), alpha=alpha, weights=None, classes=CLASSES
    )
    steps = {}
    for place in PLACES:
        for way in ways:
            if place == "strided":
                model = kerastl.surgery.copy_model(source)
            else:
                model = kerastl.antialias(source, place=place)
            if way.startswith("FineTuner"):
                model = kerastl.FineTuner(model)
            model.compile(
                keras.optimizers.SGD(0.001, momentum=0.9),
                "sparse_categorical_crossentropy",
                jit_compile=way.endswith("xla"),
            )
            steps[way, place] = lambda model=model: model.train_on_batch(
                images, labels
            )
    return steps


def measure(alpha, size, rounds, ways):
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, (32, size, size, 3)).astype("float32")
    labels = generator.integers(0, CLASSES, 32)
    steps = build(alpha, size, images, labels, ways)
    for step in steps.values():
        step()
        step()
    times = {clock: {name: [] for name in steps} for clock in CLOCKS}
    load = []
    for _ in range(rounds):
        for name, step in steps.items():
            count = WAYS[name[0]]
            start = {clock: read() for clock, read in CLOCKS.items()}
            for _ in range(count):
                step()
            for clock, read in CLOCKS.items():
                taken = 1000 * (read() - start[clock]) / count
                times[clock][name].append(taken)
        load.append(os.getloadavg()[0])
    return {
        "rounds": rounds,
        "step_ms": {
            clock: {
                f"{way}: {place}": _quartiles(values)
                for (way, place), values in each.items()
            }
            for clock, each in times.items()
        },
        "ratios": {
            clock: {
                f"{way}: {place} / strided": _quartiles(
                    np.divide(each[way, place], each[way, "strided"])
                )
                for way in ways
                for place in PLACES[1:]
            }
            for clock, each in times.items()
        },
        "load": _quartiles(load),
    }


def _quartiles(values):
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {
        "median": round(float(middle), 3),
        "quartiles": [round(float(low), 3), round(float(high), 3)],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    networks = {}
    if options.output.exists():
        networks = json.loads(options.output.read_text())["networks"]
    for name in options.networks.split(","):
        alpha, size, ways = NETWORKS[name]
        title = f"MobileNetV2 {alpha}, {size} px"
        networks[f"{title}, {' and '.join(ways)}"] = measure(
            alpha, size, options.rounds, ways
        )
        results = {
            "batch": 32,
            "targets": TARGETS,
            "cores": os.cpu_count(),
            "versions": versions(),
            "networks": networks,
        }
        options.output.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
