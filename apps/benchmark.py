"""Times model files side by side on this machine."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from kerastl.apps.texts import Printable
from kerastl.arguments import as_paths
from kerastl.arguments import several
from kerastl.export.describe_file import describe_file
from kerastl.export.runners.measure_file import integer_dot_products
from kerastl.export.runners.measure_file import measure_interleaved
from kerastl.export.runners.measure_file import processor_name
from kerastl.export.runners.runner import check_threads
from kerastl.export.runners.runner import load
from kerastl.export.utils.third_party import probe_file
from kerastl.types import PathLike

if TYPE_CHECKING:
    from rich.console import Console

# Files that compute as much, to a percent, hold the same network.
_SAME_NETWORK = 0.01


@dataclasses.dataclass
class BenchmarkResult(Printable):
    """What `benchmark` measured.

    Attributes:
        processor: Name of the processor.
        threads: Numbers of threads that were timed.
        rows: One dictionary a file: `file`, `format`, `precision`,
            `size_bytes`, `multiply_adds`, `load_ms`, `first_ms`,
            `memory_bytes`, `peak_bytes` and `timings`, a list of `threads`
            (`None`: as many as Keras takes), `latency_ms`, `latency_p90_ms`,
            `runs` and `giga_multiply_adds_per_second`.
        notes: What to know to read the figures, in sentences.
    """

    processor: str
    threads: list
    rows: list
    notes: list

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values, ready for JSON."""
        return dataclasses.asdict(self)

    def print(self, console: Console) -> None:
        """Prints the figures as tables to a `rich.console.Console`."""
        from kerastl.apps.report.tables import benchmark_tables
        from kerastl.apps.texts import say

        for table in benchmark_tables(self.rows):
            console.print(table)
        for line in (f"Processor: {self.processor}.", *self.notes):
            say(console, line)


def benchmark(
    files: Iterable[PathLike],
    threads: Iterable[int] | None = None,
    seconds: float = 1.0,
) -> BenchmarkResult:
    """Times model files side by side: latency, loading, memory and size.

    Every file is loaded in a process of its own for loading time and memory.
    Then all are timed in one process, in turn and in short blocks, warm, one
    image at a time.

    Args:
        files: Paths of .keras, .tflite and .onnx files.
        threads: Numbers of CPU threads. Defaults to 1 and all there are.
        seconds: About how long to time each file with each number of
            threads.

    Returns:
        A `BenchmarkResult`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file cannot be read, or there is none.

    Example:

    ```python
    result = apps.benchmark(["model_int8.tflite", "model_float32.tflite"])
    print(result.rows[0]["timings"])
    ```
    """
    paths = as_paths("files", files)
    if not paths:
        raise ValueError("Name at least one file. Received: files=[]")
    if threads is None:
        threads = _all_threads()
    threads = [check_threads(each) for each in several(threads, [threads])]
    runners = {
        (path, number): load(path, number)
        for path in paths
        for number in threads
    }
    # Keras takes the threads it likes, so one number is enough.
    runners = {
        (path, number): runner
        for (path, number), runner in runners.items()
        if runner.threads is not None or number == threads[-1]
    }
    rows = [
        {
            "file": str(path),
            "format": runners[path, threads[-1]].format,
            **describe_file(path),
            "size_bytes": path.stat().st_size,
            **probe_file(path),
            "timings": [],
        }
        for path in paths
    ]
    measured = measure_interleaved(
        [runner.prepare(_image(runner)) for runner in runners.values()], seconds
    )
    by_path = {row["file"]: row for row in rows}
    for (path, _), runner, found in zip(
        runners, runners.values(), measured, strict=True
    ):
        row = by_path[str(path)]
        rate = None
        if row["multiply_adds"]:
            rate = row["multiply_adds"] / found["latency_ms"] / 1e6
        row["timings"].append(
            {
                "threads": runner.threads,
                **found,
                "giga_multiply_adds_per_second": rate,
            }
        )
    return BenchmarkResult(processor_name(), threads, rows, _notes(rows))


def _all_threads():
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return [1] if count == 1 else [1, count]


def _image(runner):
    generator = np.random.default_rng(0)
    shape = (1, *runner.input_shape)
    return generator.uniform(0, 255, shape).astype("float32")


def _notes(rows):
    notes = [
        f"{slow['file']} is slower than {fast['file']}, though its numbers "
        f"are smaller: {_why()} On a phone with such instructions, or a "
        "microcontroller without floating point, the order turns: measure "
        "there. Size and memory are saved everywhere."
        for slow in rows
        for fast in rows
        if slow["precision"] in ("int8", "int4", "int16x8", "dynamic")
        and fast["precision"] == "float32"
        and slow["format"] == fast["format"]
        and _same_network(slow, fast)
        and _single(slow) > _single(fast)
    ]
    if any(row["format"] == "keras" for row in rows):
        notes.append("Keras takes as many threads as it likes.")
    return notes


def _why():
    found = integer_dot_products()
    if found:
        return (
            "this processor has instructions for 8-bit dot products "
            f"({', '.join(found)}), but a small network spends its time on "
            "what they do not speed up: rounding between layers, depthwise "
            "convolutions, operators that the delegate leaves out. "
        ).strip()
    if found is None:
        return (
            "whether this processor has instructions for 8-bit dot products "
            "could not be found out; without them a byte takes as long as a "
            "float."
        )
    return (
        "this processor has no instructions for 8-bit dot products, so that "
        "bytes are widened before they are multiplied, and floats are what "
        "its vector units are made for."
    )


def _same_network(one, other):
    if not one["multiply_adds"] or not other["multiply_adds"]:
        return False
    ratio = one["multiply_adds"] / other["multiply_adds"]
    return abs(ratio - 1) < _SAME_NETWORK


def _single(row):
    return row["timings"][0]["latency_ms"]
