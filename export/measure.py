"""What a file costs: time and operators."""

import collections
import pathlib
import time
import zlib

import numpy as np

_WARM_UP = 5
_BLOCK = 5
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
    [measured] = measure_interleaved([runner.prepare(image)])
    return measured


def measure_interleaved(runs, seconds=_SECONDS):
    """Times several things side by side, in turn and in short blocks.

    What slows the machine for a while, such as heat or another process,
    meets all of them alike. The first run of a block is not counted where
    there are several: the others have had the caches meanwhile.

    Args:
        runs: Functions without arguments.
        seconds: About how long to time each.

    Returns:
        List of dictionaries of `latency_ms` (median), `latency_p90_ms` and
        `runs`, one a function.
    """
    for run in runs:
        for _ in range(_WARM_UP):
            run()
    times = [[] for _ in runs]
    end = time.perf_counter() + seconds * len(runs)
    while len(times[0]) < _FEWEST_RUNS or (
        len(times[0]) < _MOST_RUNS and time.perf_counter() < end
    ):
        for run, taken in zip(runs, times, strict=True):
            if len(runs) > 1:
                run()
            for _ in range(_BLOCK):
                start = time.perf_counter()
                run()
                taken.append(1000 * (time.perf_counter() - start))
    return [
        {
            "latency_ms": float(np.median(taken)),
            "latency_p90_ms": float(np.percentile(taken, 90)),
            "runs": len(taken),
        }
        for taken in times
    ]


def zipped_size(path):
    """Returns how many bytes a file has when it is deflated."""
    return len(zlib.compress(pathlib.Path(path).read_bytes(), 9))


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
