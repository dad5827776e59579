import errno
import json
import os
import pathlib
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export import load
from kerastl.export import to_tflite
from kerastl.export.package.metadata import Metadata
from kerastl.export.package.metadata import read_metadata
from kerastl.export.package.metadata import write_metadata
from kerastl.export.package.tflite_metadata import split_archive

pytestmark = pytest.mark.tensorflow_only

NAMES = ["red", "green", "blue", "Grün/grau"]
BOTH = pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])


@BOTH
def test_the_file_runs_as_before(files, evaluation, name):
    before = load(files / name).predict(evaluation[0])
    written = write_metadata(
        files / name,
        Metadata(NAMES, training={"method": "ktft"}, metrics={"accuracy": 0.5}),
    )
    np.testing.assert_array_equal(
        load(files / name).predict(evaluation[0]), before
    )
    found = read_metadata(files / name)
    assert found == written
    assert found.class_names == NAMES
    assert found.training == {"method": "ktft"}
    assert found.metrics == {"accuracy": 0.5}
    assert found.input["shape"] == [24, 24, 3]
    assert found.output["shape"] == [4]
    assert "RGB" in found.preprocessing
    assert sorted(os.listdir(files)) == ["model.onnx", "model.tflite"]


def test_any_zip_reader_finds_labels_and_figures(files):
    path = files / "model.tflite"
    graph = path.read_bytes()
    write_metadata(path, Metadata(NAMES))
    assert path.read_bytes()[: len(graph)] == graph
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["metadata.json", "labels.txt"]
        labels = archive.read("labels.txt").decode("utf-8")
        values = json.loads(archive.read("metadata.json"))
    assert labels.splitlines() == NAMES
    assert values["input"]["dtype"] == "int8"
    assert (values["input"]["scale"], values["input"]["zero_point"]) == (
        1.0,
        -128,
    )


def test_onnx_runtime_shows_the_properties(files):
    import onnxruntime

    write_metadata(files / "model.onnx", Metadata(NAMES))
    session = onnxruntime.InferenceSession(files / "model.onnx")
    found = session.get_modelmeta().custom_metadata_map
    assert found["labels"].splitlines() == NAMES
    assert json.loads(found["kerastl"])["class_names"] == NAMES


@BOTH
def test_written_again_it_replaces_what_was_there(files, name):
    write_metadata(files / name, Metadata(NAMES))
    once = (files / name).read_bytes()
    write_metadata(files / name, Metadata(NAMES[::-1], metrics={"a": 1}))
    assert read_metadata(files / name).class_names == NAMES[::-1]
    write_metadata(files / name, Metadata(NAMES))
    assert (files / name).read_bytes() == once


@BOTH
@pytest.mark.parametrize("names", [NAMES[:3], [*NAMES, "more"], []])
def test_labels_that_do_not_fit_are_refused(files, name, names):
    before = (files / name).read_bytes()
    with pytest.raises(ValueError, match=f"has 4 outputs.*{len(names)} names"):
        write_metadata(files / name, Metadata(names))
    assert (files / name).read_bytes() == before


def test_a_line_break_in_a_name_is_refused(files):
    with pytest.raises(ValueError, match="line breaks"):
        write_metadata(files / "model.onnx", Metadata(["a\nb", "c", "d", "e"]))


def test_a_single_output_has_two_names(tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    to_tflite(model, tmp_path / "a.tflite", "float32")
    write_metadata(tmp_path / "a.tflite", Metadata(["no", "yes"]))
    assert read_metadata(tmp_path / "a.tflite").class_names == ["no", "yes"]
    # Two names do not say what one output is: phones are not told them.
    assert b"labels.txt" not in _graph(tmp_path / "a.tflite")


def _graph(path):
    return split_archive(path.read_bytes())[0]


def test_phones_find_a_name_for_each_output(cnn, files):
    path = files / "float.tflite"
    to_tflite(cnn, path, "float32")
    write_metadata(path, Metadata(NAMES))
    assert b"TFLITE_METADATA" in _graph(path)
    assert b"labels.txt" in _graph(path)
    # They have no bytes below zero.
    write_metadata(files / "model.tflite", Metadata(NAMES))
    assert b"TFLITE_METADATA" not in _graph(files / "model.tflite")


@BOTH
def test_a_full_disk_leaves_the_file_as_it_was(files, name, monkeypatch):
    before = (files / name).read_bytes()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "no room to write on device")

    if name == "model.tflite":
        monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    else:
        monkeypatch.setattr("onnx.save", full)
    with pytest.raises(OSError, match="no room to write"):
        write_metadata(files / name, Metadata(NAMES))
    assert (files / name).read_bytes() == before
    assert sorted(os.listdir(files)) == ["model.onnx", "model.tflite"]


def test_other_files_are_refused(files):
    with pytest.raises(ValueError, match="end in one of"):
        write_metadata(files / "model.keras", Metadata(NAMES))
    (files / "model.tflite").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot be read"):
        write_metadata(files / "model.tflite", Metadata(NAMES))
