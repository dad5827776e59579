"""What anti-aliasing costs on a phone's CPU path: int8 TFLite, one thread.

    python tests/benchmarks/antialias_latency.py

writes `antialias_latency.json` beside this file. MobileNetV2 1.0 at 224 px,
strided as it comes, anti-aliased with 3 taps, and the same network with its
borders mirrored by the MIRROR_PAD operator. The three files are timed in turn
in one run, a few inferences each, so that whatever else the machine does hits
all of them while each still finds its own weights in the cache. Weights are
random: they do not change the time.
"""

import argparse
import json
import os
import pathlib
import tempfile
import time

import keras
import numpy as np

import kerastl
from kerastl import export
from kerastl.surgery.rebuild import rebuild

RESULTS = pathlib.Path(__file__).with_suffix(".json")
WARM_UP = 3
BLOCK = 7
TARGETS = {"antialiased / strided": 1.75, "mirror_pad / antialiased": 5.0}


class MirrorPadBlurPooling2D(kerastl.layers.BlurPooling2D):
    """The same blur, with reflection left to the operator made for it."""

    def _add_border(self, x, axis, before, after):
        if before < 0 or after < 0:
            return super()._add_border(x, axis, before, after)
        widths = [(0, 0)] * 4
        widths[axis] = (before, after)
        return keras.ops.pad(x, widths, mode="reflect")


def with_mirror_pad(layer):
    if not isinstance(layer, kerastl.layers.BlurPooling2D):
        return None
    return MirrorPadBlurPooling2D.from_config(layer.get_config())


def build_models(size, kernel_size):
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    backbone = keras.applications.MobileNetV2(
        input_tensor=x, weights=None, classes=1000
    )
    strided = keras.Model(inputs, backbone.output)
    antialiased = kerastl.antialias(strided, kernel_size=kernel_size)
    return {
        "strided": strided,
        "antialiased": antialiased,
        "mirror_pad": rebuild(antialiased, clone=with_mirror_pad),
    }


def time_block(run):
    """Milliseconds of `BLOCK` runs after a warm-up."""
    taken = []
    for turn in range(WARM_UP + BLOCK):
        start = time.perf_counter()
        run()
        if turn >= WARM_UP:
            taken.append(1000 * (time.perf_counter() - start))
    return taken


def compare(times, one, other):
    """Ratio of the medians, and how much it varies from round to round."""
    rounds = np.median(times[one], axis=1) / np.median(times[other], axis=1)
    return {
        "of_medians": round(
            float(np.median(times[one]) / np.median(times[other])), 3
        ),
        "round_p10": round(float(np.percentile(rounds, 10)), 3),
        "round_median": round(float(np.median(rounds)), 3),
        "round_p90": round(float(np.percentile(rounds, 90)), 3),
    }


def measure(size=224, kernel_size=3, rounds=60):
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (8, size, size, 3)).astype("float32")
    runs, reports = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, model in build_models(size, kernel_size).items():
            path = pathlib.Path(folder) / f"{name}.tflite"
            reports[name] = export.to_tflite(model, path, calibration=images)
            runs[name] = export.load(path, threads=1).prepare(images[:1])
        times = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                times[name].append(time_block(run))
    report = reports["antialiased"]
    return {
        "network": f"MobileNetV2 1.0, {size} px, int8 TFLite, 1 thread",
        "kernel_size": kernel_size,
        "runs": rounds * BLOCK,
        "latency_ms": {
            name: round(float(np.median(taken)), 3)
            for name, taken in times.items()
        },
        "latency_p90_ms": {
            name: round(float(np.percentile(taken, 90)), 3)
            for name, taken in times.items()
        },
        "ratios": {
            "antialiased / strided": compare(times, "antialiased", "strided"),
            "mirror_pad / antialiased": compare(
                times, "mirror_pad", "antialiased"
            ),
        },
        "targets": TARGETS,
        "partitions": {name: each.partitions for name, each in reports.items()},
        "size_bytes": {name: each.size_bytes for name, each in reports.items()},
        "ops": {name: each.ops for name, each in reports.items()},
        "processor": report.processor,
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "versions": report.versions,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--kernel-size", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    results = measure(options.size, options.kernel_size, options.rounds)
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
