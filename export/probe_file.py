"""What loading a file costs, measured in a fresh process."""

import json
import os
import pathlib
import subprocess
import sys

_SCRIPT = pathlib.Path(__file__).with_name("probe.py")


def run_probe(path, threads=1, timeout=None):
    """Runs the probe, and returns the finished `subprocess` process.

    Its `returncode` is 1 after a Python exception, and neither 0 nor 1 if
    the runtime took the process down.
    """
    return subprocess.run(
        [sys.executable, str(_SCRIPT), str(path), str(threads)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def probe_file(path, threads=1):
    """Loads a file and runs it once in a process of its own.

    Args:
        path: A .keras, .tflite or .onnx file.
        threads: CPU threads; Keras itself ignores it.

    Returns:
        Dictionary of `load_ms`, `first_ms` (the first image, which may
        compile or pack weights), `memory_bytes` (the peak, less what the
        bare runtime takes; `None` where the system does not tell) and
        `peak_bytes` (the whole process).

    Raises:
        RuntimeError: If the process fails; with what it said last.
    """
    finished = run_probe(path, threads)
    if finished.returncode != 0:
        [*_, reason] = finished.stderr.strip().splitlines() or ["no reason"]
        raise RuntimeError(
            f"The file '{path}' could not be loaded in a process of its own: "
            f"{reason[:500]}. Received: path={str(path)!r}"
        )
    found = json.loads(finished.stdout.splitlines()[-1])
    baseline = found.pop("baseline_bytes")
    peak = found["peak_bytes"]
    known = baseline is not None and peak is not None
    return {**found, "memory_bytes": max(peak - baseline, 0) if known else None}
