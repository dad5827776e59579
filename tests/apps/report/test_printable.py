"""What a notebook shows of a result is what the command line prints."""

import inspect
import io

import rich.console

from kerastl import apps
from kerastl.apps.benchmark import BenchmarkResult
from kerastl.apps.report.printable import Printable


def test_every_result_that_prints_itself_reads_as_what_it_prints():
    printing = [
        value
        for name in apps.__all__
        if inspect.isclass(value := getattr(apps, name))
        and hasattr(value, "print")
    ]
    assert {value.__name__ for value in printing} == {
        "BenchmarkResult",
        "Choice",
        "Inspection",
        "PredictResult",
        "RunResult",
    }
    for value in printing:
        assert issubclass(value, Printable)
        # The generated one would hide it.
        assert value.__str__ is Printable.__str__


def test_a_result_as_text():
    result = BenchmarkResult(
        processor="[bold]Pi 5[/bold]",
        threads=[1],
        rows=[
            {
                "file": "model.tflite",
                "format": "tflite",
                "precision": "int8",
                "size_bytes": 123_000,
                "multiply_adds": 1_000_000,
                "load_ms": 1.25,
                "first_ms": 2.5,
                "memory_bytes": 3_000_000,
                "peak_bytes": 4_000_000,
                "timings": [
                    {
                        "threads": 1,
                        "latency_ms": 0.75,
                        "latency_p90_ms": 0.875,
                        "runs": 10,
                        "giga_multiply_adds_per_second": 1.5,
                    }
                ],
            }
        ],
        notes=["Once."],
    )
    text = str(result)
    printed = io.StringIO()
    result.print(rich.console.Console(file=printed, width=80))
    assert text == printed.getvalue().rstrip("\n")
    assert "model.tflite" in text and "123 kB" in text and "0.75 ms" in text
    assert text.endswith("Processor: [bold]Pi 5[/bold].\nOnce.")
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
