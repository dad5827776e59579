"""DELTA's channel attention, beside one pass of the network a channel.

    python tests/benchmarks/channel_attention.py

writes `channel_attention.json` beside this file. MobileNetV2 0.35 at 96 px
with random weights, its default taps, one batch of 32 on the CPU. The naive
loop zeroes one filter after the other and runs the whole network, compiled by
`predict_on_batch`, as a user would have it; both go over all channels.
Processor time is measured beside the clock: on a busy machine it is the
steadier of the two. The multiply-adds do not depend on the machine.
"""

import argparse
import json
import os
import pathlib
import platform
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import kerastl
from kerastl.surgery import split_at

RESULTS = pathlib.Path(__file__).with_suffix(".json")
CLASSES = 10
BATCH = 32


def naive(network, tap, images, labels):
    """The attention of one tap by the definition."""
    rows = np.arange(len(labels))

    def loss():
        picked = network.predict_on_batch(images)[rows, labels]
        return -np.log(picked.astype("float64")).mean()

    kernel = network.get_layer(tap).kernel
    trained = kernel.numpy()
    before = loss()
    rises = []
    for channel in range(trained.shape[-1]):
        zeroed = trained.copy()
        zeroed[..., channel] = 0
        kernel.assign(zeroed)
        rises.append(loss() - before)
    kernel.assign(trained)
    rises = np.array(rises)
    scores = np.exp((rises - rises.mean()) / rises.std() / 5)
    return scores / scores.sum()


def multiply_adds(network, taps):
    """Of both ways, for one image and all channels."""
    whole = kerastl.count_multiply_adds(network)
    loop = ours = 0
    for tap in taps:
        layer = network.get_layer(tap)
        channels = layer.output.shape[-1]
        front, behind = split_at(network, layer.output)
        loop += (channels + 1) * whole
        ours += kerastl.count_multiply_adds(front)
        ours += channels * kerastl.count_multiply_adds(behind)
    return {"naive": loop, "ours": ours + whole}


def timed(function):
    clock, processor = time.perf_counter(), time.process_time()
    result = function()
    return result, {
        "clock": round(time.perf_counter() - clock, 2),
        "processor": round(time.process_time() - processor, 2),
    }


def measure():
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, (BATCH, 96, 96, 3)).astype("float32")
    labels = generator.integers(0, CLASSES, BATCH)
    source = keras.applications.MobileNetV2(
        (96, 96, 3), alpha=0.35, weights=None
    )
    # With the statistics of a fresh network hardly a signal arrives.
    kerastl.reestimate_batch_norm(source, images)
    head = kerastl.train_head(source, (images, labels), CLASSES)
    network = keras.Model(
        source.input, head(source.get_layer("global_average_pooling2d").output)
    )
    taps = kerastl.surgery.convolution_taps(source)
    network.predict_on_batch(images)
    expected, loop = timed(
        lambda: {tap: naive(network, tap, images, labels) for tap in taps}
    )
    found, ours = timed(
        lambda: kerastl.compute_channel_attention(
            source, head, (images, labels), taps
        )
    )
    work = multiply_adds(network, taps)
    return {
        "network": "MobileNetV2 0.35, 96 px, batch 32, CPU",
        "channels": {tap: len(found[tap]) for tap in taps},
        "seconds": {"naive": loop, "ours": ours},
        "multiply_adds_an_image": work,
        "ratios": {
            "multiply-adds": round(work["naive"] / work["ours"], 1),
            **{
                clock: round(loop[clock] / ours[clock], 1)
                for clock in ("clock", "processor")
            },
        },
        "target": "at least 10, equal to 1e-5",
        "largest_difference": {
            tap: float(np.abs(found[tap] - expected[tap]).max()) for tap in taps
        },
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "kerastl": kerastl.__version__,
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    results = measure()
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
