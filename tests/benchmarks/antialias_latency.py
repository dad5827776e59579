"""What anti-aliasing costs on a phone's CPU path: int8 TFLite, one thread.

    python tests/benchmarks/antialias_latency.py

writes `antialias_latency.json` beside this file. MobileNetV2 1.0 at 224 px and
0.35 at 128 px, strided as they come, with 3-tap blurs after the activations,
with them in the strided kernels (the stem left alone, too), and with blurs
after the activations whose borders are mirrored by the MIRROR_PAD operator. The
files of a network are timed in turn in one run, a few inferences each, so that
whatever else the machine does hits all of them while each still finds its own
weights in the cache; a ratio is the median over the rounds. Processor time is
counted, which for one thread is the same, and steadier on a busy machine.
Weights are random: they do not change the time. `--networks` and `--variants`
choose what is measured (anew).
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
# Width and size of MobileNetV2, by the name for `--networks`.
NETWORKS = {"wide": (1.0, 224), "narrow": (0.35, 128)}
VARIANTS = ("strided", "after", "kernel", "kernel, stem left", "mirror_pad")
RATIOS = (
    ("after", "strided"),
    ("kernel", "strided"),
    ("kernel, stem left", "strided"),
    ("mirror_pad", "after"),
)
TARGETS = {
    "after / strided": 1.75,
    "kernel / strided": {"224 px": 1.10, "128 px": 1.20},
    "mirror_pad / after": 5.0,
}


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


def build_models(alpha, size, kernel_size):
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    backbone = keras.applications.MobileNetV2(
        input_tensor=x, alpha=alpha, weights=None, classes=1000
    )
    strided = keras.Model(inputs, backbone.output)
    after = kerastl.antialias(strided, kernel_size=kernel_size)
    kernel = {"kernel_size": kernel_size, "place": "kernel"}
    return {
        "strided": strided,
        "after": after,
        "kernel": kerastl.antialias(strided, **kernel),
        "kernel, stem left": kerastl.antialias(strided, stem=False, **kernel),
        "mirror_pad": rebuild(after, clone=with_mirror_pad),
    }


def time_block(run):
    """Milliseconds of processor time of `BLOCK` runs after a warm-up."""
    taken = []
    for turn in range(WARM_UP + BLOCK):
        start = time.process_time()
        run()
        if turn >= WARM_UP:
            taken.append(1000 * (time.process_time() - start))
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


def measure(alpha, size, kernel_size, rounds, variants):
    """Times the files of one network."""
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (8, size, size, 3)).astype("float32")
    runs, reports = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        models = build_models(alpha, size, kernel_size)
        for name in variants:
            path = pathlib.Path(folder) / f"{len(runs)}.tflite"
            reports[name] = export.to_tflite(
                models[name], path, calibration=images, refine="none"
            )
            runs[name] = export.load(path, threads=1).prepare(images[:1])
        times = {name: [] for name in runs}
        load = []
        for _ in range(rounds):
            for name, run in runs.items():
                times[name].append(time_block(run))
            load.append(os.getloadavg()[0])
    return {
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
            f"{one} / {other}": compare(times, one, other)
            for one, other in RATIOS
            if one in times and other in times
        },
        "partitions": {name: each.partitions for name, each in reports.items()},
        "size_bytes": {name: each.size_bytes for name, each in reports.items()},
        "ops": {name: each.ops for name, each in reports.items()},
        "load_average": round(float(np.median(load)), 1),
        "processor": reports["strided"].processor,
        "versions": reports["strided"].versions,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel-size", type=int, default=3)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--variants", default=";".join(VARIANTS))
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    networks = {}
    if options.output.exists():
        networks = json.loads(options.output.read_text())["networks"]
    for name in options.networks.split(","):
        alpha, size = NETWORKS[name]
        found = measure(
            alpha,
            size,
            options.kernel_size,
            options.rounds,
            options.variants.split(";"),
        )
        networks[f"MobileNetV2 {alpha}, {size} px"] = found
        results = {
            "files": "int8 TFLite, 1 thread, processor time",
            "kernel_size": options.kernel_size,
            "targets": TARGETS,
            "processors": os.cpu_count(),
            "networks": networks,
        }
        options.output.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
