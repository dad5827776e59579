import inspect
import io

import pytest
import rich.console
from rich.console import Console

from kerastl import apps
from kerastl.apps.benchmark import BenchmarkResult
from kerastl.apps.report.tables import make_table
from kerastl.apps.report.tables import predictions_table
from kerastl.apps.texts import Printable
from kerastl.apps.texts import literal
from kerastl.apps.texts import say


@pytest.mark.parametrize(
    "text, expected",
    [
        ("shirt [m] <b>", "shirt [m] <b>"),
        ("日本 é 👩‍🔬", "日本 é 👩‍🔬"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\u2028b", "a\\u2028b"),
        ("a\u202eb", "a\\u202eb"),
        ("a\udcff", "a\\udcff"),
    ],
)
def test_only_what_cannot_be_printed_is_escaped(text, expected):
    assert literal(text) == expected
    literal(text).encode("utf-8")


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


NAMES = ["shirt [m]", "shirt [l]", "[/b]x", "[red]", ":smile:", "<i>"]


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=80, force_terminal=False)


def test_names_stand_as_they_are(console):
    say(console, "\n".join(NAMES))
    assert console.file.getvalue().splitlines() == NAMES
    say(None, "nothing")


def test_what_cannot_be_printed_is_escaped(console):
    say(console, "a\x1b]0;b\udcff")
    assert console.file.getvalue() == "a\\x1b]0;b\\udcff\n"


def test_tables_show_names_as_they_are(console):
    console.print(make_table(["name", ">n"], [(n, 1) for n in NAMES]))
    shown = console.file.getvalue()
    for name in NAMES:
        assert f"{name} " in shown
    said = {"class": "shirt [m]", "score": 0.5}
    row = {"image": "[b]/a.jpg", "classes": [said, {**said, "class": "[/x]"}]}
    console.print(predictions_table([row]))
    shown = console.file.getvalue()
    assert "shirt [m]" in shown and "[/x]" in shown


@pytest.mark.parametrize("length", [100, 255])
def test_a_long_name_is_whole(console, length):
    name = "".join(chr(ord("a") + index % 26) for index in range(length))
    console.print(make_table(["NAME", ">N"], [(name, 1)]))
    shown = "".join(filter(str.islower, console.file.getvalue()))
    assert shown == name
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
