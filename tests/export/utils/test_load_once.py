"""The script that loads a file, run in this process."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.utils import load_once

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    inputs = keras.Input((6, 4, 3))
    outputs = layers.Dense(2)(layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    model.save(folder / "a.keras")
    for name, format, batch in (
        ("a.tflite", "litert", 2),
        ("a.onnx", "onnx", None),
        ("b.onnx", "onnx", 2),
    ):
        model.export(
            folder / name,
            format=format,
            verbose=False,
            input_signature=[keras.InputSpec("float32", (batch, 6, 4, 3))],
        )
    return folder


@pytest.mark.parametrize("name", ["a.keras", "a.tflite", "a.onnx", "b.onnx"])
def test_what_it_prints(folder, name, capsys, monkeypatch):
    """On a clock that moves a second, then three, and a memory that grows."""
    times = iter([10.0, 11.0, 14.0])
    monkeypatch.setattr(load_once.time, "perf_counter", lambda: next(times))
    memory = {"VmRSS": 100, "VmHWM": 700}
    monkeypatch.setattr(load_once, "_memory", memory.get)
    forgotten, without = [], []
    monkeypatch.setattr(load_once, "_forget_peak", lambda: forgotten.append(1))
    monkeypatch.setattr(load_once, "_run_without_delegate", without.append)
    load_once.main(str(folder / name), 1)
    assert json.loads(capsys.readouterr().out) == {
        "load_ms": 1000,
        "first_ms": 3000,
        "baseline_bytes": 100,
        "peak_bytes": 700,
    }
    assert forgotten == [1]
    # A diagnosis runs files of LiteRT alone.
    tflite = name.endswith(".tflite")
    assert without == ([str(folder / name)] if tflite else [])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_runtimes_run_one_black_image(folder, threads):
    [scores] = load_once._onnx_runtime()(str(folder / "a.onnx"), threads)()
    np.testing.assert_array_equal(scores, np.zeros((1, 2)))
    [scores] = load_once._onnx_runtime()(str(folder / "b.onnx"), threads)()
    assert scores.shape == (2, 2)
    scores = load_once._keras()(folder / "a.keras", threads)()
    np.testing.assert_array_equal(scores, np.zeros((1, 2)))
    load_once._litert()(str(folder / "a.tflite"), threads)()
    load_once._run_without_delegate(str(folder / "a.tflite"))


def test_memory_is_told_in_bytes():
    with open("/proc/self/status") as status:
        figures = dict(line.split(":", 1) for line in status)
    peak = 1024 * int(figures["VmPeak"].split()[0])
    assert load_once._memory("VmPeak") == pytest.approx(peak, rel=0.01)
    assert load_once._memory("VmP") is None


def test_the_peak_is_forgotten():
    np.ones(10_000_000)
    before = load_once._memory("VmHWM")
    load_once._forget_peak()
    now, largest = load_once._memory("VmRSS"), load_once._memory("VmHWM")
    assert now <= 1.05 * largest and largest <= before


def test_every_format_has_its_loader():
    assert {
        suffix: loader.__name__ for suffix, loader in load_once._LOADERS.items()
    } == {
        ".tflite": "_litert",
        ".onnx": "_onnx_runtime",
        ".keras": "_keras",
        ".h5": "_keras",
    }
