"""What a file costs: time and operators."""

import collections
import time

import numpy as np

_WARM_UP = 5
_FEWEST_RUNS = 20
_MOST_RUNS = 200
_SECONDS = 1.0


def measure_latency(runner, image):
    """Times single-image inference, warm.

    Args:
        runner: `Runner` to time.
        image: Batch of one image.

    Returns:
        Dictionary of `latency_ms` (median), `latency_p90_ms` and `runs`.
    """
    run = runner.prepare(image)
    for _ in range(_WARM_UP):
        run()
    times = []
    end = time.perf_counter() + _SECONDS
    while len(times) < _FEWEST_RUNS or (
        len(times) < _MOST_RUNS and time.perf_counter() < end
    ):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return {
        "latency_ms": float(np.median(times)),
        "latency_p90_ms": float(np.percentile(times, 90)),
        "runs": len(times),
    }


def count_operations(runner, path):
    """Returns the operator counts of a file and its delegate partitions.

    The partitions are `None` where the runtime has no delegates.
    """
    if runner.format == "tflite":
        names, partitions = runner.operations(), runner.partitions()
    else:
        import onnx

        nodes = onnx.load(path, load_external_data=False).graph.node
        names, partitions = [node.op_type for node in nodes], None
    return dict(sorted(collections.Counter(names).items())), partitions
