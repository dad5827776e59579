import importlib
import io

import pytest

from kerastl import apps

pytestmark = pytest.mark.tensorflow_only

module = importlib.import_module("kerastl.apps.benchmark")


@pytest.fixture(scope="module")
def result(finished_run):
    return apps.benchmark(
        [
            finished_run.output / name
            for name in ("model.keras", "model_int8.tflite", "model_int8.onnx")
        ],
        threads=[1, 2],
        seconds=0.05,
    )


def test_every_file_is_timed_with_every_number_of_threads(result):
    keras, tflite, onnx = result.rows
    assert [each["threads"] for each in tflite["timings"]] == [1, 2]
    assert [each["threads"] for each in onnx["timings"]] == [1, 2]
    assert [each["threads"] for each in keras["timings"]] == [None]
    for row in result.rows:
        # A refined file scales its pixels by a kernel.
        more = row["multiply_adds"] - keras["multiply_adds"]
        assert more in (0, 16 * 16 * 3)
        assert keras["multiply_adds"] > 0
        assert row["load_ms"] > 0
        for timing in row["timings"]:
            assert 0 < timing["latency_ms"] <= timing["latency_p90_ms"]
            assert timing["runs"] >= 20
            rate = row["multiply_adds"] / timing["latency_ms"] / 1e6
            assert timing["giga_multiply_adds_per_second"] == rate
    assert [row["precision"] for row in result.rows] == [
        "float32",
        "int8",
        "int8",
    ]


def test_the_tables_fit_80_columns(result):
    from rich.console import Console

    text = io.StringIO()
    result.print(Console(file=text, width=80))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    for name in ("model.keras", "model_int8.tflite", "model_int8.onnx"):
        assert any(name in line for line in lines)
    assert result.processor in text.getvalue()


@pytest.mark.parametrize(
    "instructions, said",
    [
        ([], "no instructions for 8-bit dot products"),
        (["avx_vnni"], "(avx_vnni), but a small network"),
        (None, "could not be found out"),
    ],
)
def test_int8_that_is_slower_is_explained(monkeypatch, instructions, said):
    monkeypatch.setattr(module, "integer_dot_products", lambda: instructions)

    def row(file, precision, latency, multiply_adds=1000):
        return {
            "file": file,
            "format": "tflite",
            "precision": precision,
            "multiply_adds": multiply_adds,
            "timings": [{"latency_ms": latency}],
        }

    slow, fast = row("a.tflite", "int8", 2.0), row("b.tflite", "float32", 1.0)
    [note] = module._notes([slow, fast])
    assert note.startswith("a.tflite is slower than b.tflite")
    assert said in note
    assert module._notes([row("a", "int8", 0.5), fast]) == []
    # Another network, which computes more, need not be explained.
    assert module._notes([row("a", "int8", 2.0, 2000), fast]) == []


def test_files_that_cannot_be_timed(finished_run, tmp_path):
    with pytest.raises(ValueError, match="at least one file"):
        apps.benchmark([])
    with pytest.raises(FileNotFoundError):
        apps.benchmark([finished_run.output / "none.tflite"])
    with pytest.raises(ValueError, match="threads=0"):
        apps.benchmark([finished_run.output / "model.keras"], threads=[0])
