import functools
import json
import os
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export import load
from kerastl.export import selective_int8
from kerastl.export import to_onnx
from kerastl.export import to_tflite
from kerastl.export.conversion.converters import SCHEMES
from kerastl.export.conversion.converters import _environment
from kerastl.export.conversion.converters import _notes
from kerastl.export.conversion.converters import _write
from kerastl.export.conversion.converters import get_scheme
from kerastl.export.conversion.converters import on_tensorflow
from kerastl.export.runners.inference_model import lower
from kerastl.layers import BlurPooling2D


def test_every_scheme_is_described_in_one_line():
    for table in SCHEMES.values():
        for name, scheme in table.items():
            assert scheme.name == name
            assert scheme.summary.endswith(".")
            assert "\n" not in scheme.summary


def test_only_static_integer_schemes_need_calibration():
    needing = {
        s.name for s in SCHEMES["tflite"].values() if s.needs_calibration
    }
    assert needing == {*SCHEMES["tflite"]} - {"float32", "float16", "dynamic"}


def test_what_trains_with_rounding_is_written_as_it_rounds():
    rounding = {
        (format, scheme.name)
        for format, table in SCHEMES.items()
        for scheme in table.values()
        if scheme.rounds_as_trained
    }
    assert rounding == {
        ("tflite", "int8"),
        ("tflite", "uint8_io"),
        ("onnx", "int8"),
    }
    assert [s.needs_calibration for s in SCHEMES["onnx"].values()] == [
        False,
        True,
    ]


def test_unknown_scheme_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'float16'") as error:
        get_scheme("flaot16", "tflite")
    assert "Received: tflite scheme='flaot16'" in str(error.value)


def test_a_scheme_of_the_other_format_is_refused():
    with pytest.raises(ValueError, match="There is no onnx scheme"):
        get_scheme("int16x8", "onnx")


elsewhere = pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="for the other backends"
)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(8, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            BlurPooling2D(3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(3)
    return generator.uniform(0, 255, (120, 12, 12, 3)).astype("float32")


@elsewhere
def test_a_tflite_file_is_proved_against_the_model_here(
    network, images, tmp_path
):
    expected = np.asarray(network(images))
    labels = expected.argmax(-1)
    labels[:30] = (labels[:30] + 1) % 4
    path = tmp_path / "a.tflite"
    report = to_tflite(
        network, path, calibration=images, evaluation=(images, labels)
    )
    assert report.keras_accuracy == 0.75
    found = load(path).predict(images)
    assert np.abs(found - expected).max() == pytest.approx(
        report.max_abs_difference, abs=1e-6
    )
    assert report.max_abs_difference < 0.02
    assert report.input["zero_point"] == -128
    assert [each.name for each in tmp_path.iterdir()] == ["a.tflite"]


@elsewhere
def test_the_arguments_of_an_onnx_file_arrive(network, images, tmp_path):
    import onnx

    path = tmp_path / "a.onnx"
    report = to_onnx(network, path, "float32", opset=15)
    assert report.max_abs_difference < 1e-5
    versions = [each.version for each in onnx.load(path).opset_import]
    assert 15 in versions and 17 not in versions


@elsewhere
def test_what_needs_the_converters_all_along_is_refused_at_once(
    network, images, tmp_path
):
    labels = np.zeros(len(images), int)
    with pytest.raises(RuntimeError, match="KERAS_BACKEND=tensorflow"):
        selective_int8(
            network,
            tmp_path / "a.tflite",
            calibration=images,
            evaluation=(images, labels),
        )
    assert not any(tmp_path.iterdir())


@pytest.mark.tensorflow_only
def test_another_process_writes_the_same_bytes(network, images, tmp_path):
    from kerastl.export.to_tflite import _write as write

    assert on_tensorflow(write) is write
    task = {
        "module": "kerastl.export.to_tflite",
        "function": "_write",
        "keywords": {},
    }
    steps = {"here": write, "there": functools.partial(_write, task)}
    for name, step in steps.items():
        notes = step(
            lower(network),
            "probabilities",
            get_scheme("int8", "tflite"),
            images,
            tmp_path / f"{name}.tflite",
        )
        assert notes == []
    here, there = (tmp_path / f"{name}.tflite" for name in steps)
    assert here.read_bytes() == there.read_bytes()


class Unknown(layers.Layer):
    def call(self, x):
        return x


def test_what_goes_wrong_there_is_said_here(network, tmp_path):
    inputs = keras.Input((12, 12, 3))
    strange = keras.Model(inputs, Unknown(name="strange")(network(inputs)))
    task = {
        "module": "kerastl.export.to_tflite",
        "function": "_write",
        "keywords": {},
    }
    with pytest.raises(ValueError, match="(?s)cannot load it.*register"):
        _write(
            task,
            lower(strange),
            "probabilities",
            get_scheme("float32", "tflite"),
            None,
            tmp_path / "a.tflite",
        )
    assert not any(tmp_path.iterdir())


def test_a_step_is_known_by_its_name_on_another_backend(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    task = {
        "module": "kerastl.export.conversion.converters",
        "function": "get_scheme",
        "keywords": {},
    }
    found = on_tensorflow(get_scheme)
    assert (found.func, found.args, found.keywords) == (_write, (task,), {})
    found = on_tensorflow(functools.partial(get_scheme, opset=15))
    assert found.args == ({**task, "keywords": {"opset": 15}},)
    with pytest.raises(RuntimeError, match="backend='jax'"):
        on_tensorflow(lambda *_: [])


def test_the_process_runs_on_tensorflow_without_accelerators(monkeypatch):
    monkeypatch.setattr(sys, "path", ["", "layers", "more"])
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("OF_THE_USER", "kept")
    found = _environment()
    assert found["KERAS_BACKEND"] == "tensorflow"
    assert found["CUDA_VISIBLE_DEVICES"] == "-1"
    assert found["TF_CPP_MIN_LOG_LEVEL"] == "3"
    assert found["OF_THE_USER"] == "kept"
    assert found["PYTHONPATH"] == os.pathsep.join(["layers", "more"])


@pytest.mark.parametrize(
    "name, kind",
    [
        ("ValueError", ValueError),
        ("ImportError", ImportError),
        ("MemoryError", MemoryError),
        ("OSError", OSError),
        ("TypeError", TypeError),
        ("ConverterError", RuntimeError),
    ],
)
def test_an_error_comes_back_as_what_it_was(tmp_path, name, kind):
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({"error": name, "message": "the reason"}))
    with pytest.raises(kind, match="^the reason$") as caught:
        _notes(path, None)
    assert type(caught.value) is kind
    path.write_text(json.dumps({"notes": ["one"]}))
    assert _notes(path, None) == ["one"]


@pytest.mark.parametrize(
    "said, reason",
    [("", "no reason"), ("first\nlast\n", "last"), ("x" * 501, "x" * 500)],
)
def test_a_process_that_ends_without_an_answer(tmp_path, said, reason):
    finished = SimpleNamespace(stderr=said, returncode=-9)
    with pytest.raises(
        RuntimeError, match=f"answer: {reason}\\. .*exit status -9"
    ):
        _notes(tmp_path / "answer.json", finished)
