"""TFLite Metadata, read after its schema and by MediaPipe itself."""

import json
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kerastl.export import Metadata
from kerastl.export import load
from kerastl.export import to_tflite
from kerastl.export import write_metadata
from kerastl.export.package.tflite_metadata import describe_images
from kerastl.export.package.tflite_metadata import set_metadata
from kerastl.export.package.tflite_metadata import split_archive

pytestmark = pytest.mark.tensorflow_only

NAMES = ["red", "green", "blue", "grün"]
SCHEMES = pytest.mark.parametrize("scheme", ["float32", "uint8_io"])
# A Python that has MediaPipe: python -m venv FOLDER, pip install mediapipe.
PYTHON = os.environ.get("MEDIAPIPE_PYTHON", sys.executable)


@pytest.fixture(scope="module")
def named(cnn, calibration, tmp_path_factory):
    """Files with the names of their classes, by scheme."""
    folder = tmp_path_factory.mktemp("named")
    for scheme in ("float32", "uint8_io", "int8"):
        path = folder / f"{scheme}.tflite"
        to_tflite(cnn, path, scheme, calibration=calibration)
        write_metadata(path, Metadata(NAMES))
    return folder


class Table:
    """A table of a flatbuffer, read by the numbers of its fields."""

    def __init__(self, content, place):
        self.content, self.place = content, place
        self.slots = place - self._number("<i", place)

    @classmethod
    def root(cls, content):
        return cls(content, struct.unpack_from("<I", content)[0])

    def _number(self, kind, place):
        return struct.unpack_from(kind, self.content, place)[0]

    def _field(self, number):
        offset = 4 + 2 * number
        if offset >= self._number("<H", self.slots):
            return None
        return self.place + self._number("<H", self.slots + offset)

    def _follow(self, place):
        return place + self._number("<I", place)

    def byte(self, number):
        return self.content[self._field(number)]

    def table(self, number):
        return Table(self.content, self._follow(self._field(number)))

    def tables(self, number):
        start = self._follow(self._field(number))
        return [
            Table(self.content, self._follow(start + 4 * index))
            for index in range(1, 1 + self._number("<I", start))
        ]

    def bytes(self, number, size=1):
        start = self._follow(self._field(number))
        length = size * self._number("<I", start)
        return self.content[start + 4 : start + 4 + length]

    def floats(self, number):
        return np.frombuffer(self.bytes(number, 4), "<f4").tolist()


def metadata_of(graph):
    """The metadata buffer of a graph, `None` without any."""
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    for each in model.metadata or []:
        if each.name == b"TFLITE_METADATA":
            return model.buffers[each.buffer].data.tobytes()
    return None


@SCHEMES
def test_the_fields_are_where_the_schema_has_them(named, scheme):
    graph, files = split_archive((named / f"{scheme}.tflite").read_bytes())
    assert files["labels.txt"].decode().splitlines() == NAMES
    content = metadata_of(graph)
    assert content[4:8] == b"M001"
    model = Table.root(content)
    assert (model.bytes(0), model.bytes(7)) == (scheme.encode(), b"1.0.0")
    [subgraph] = model.tables(3)
    [image], [score] = subgraph.tables(2), subgraph.tables(3)
    assert (image.bytes(0), score.bytes(0)) == (b"image", b"score")
    # ContentProperties: 2 is ImageProperties, whose colour space 1 is RGB.
    assert image.table(3).byte(0) == 2
    assert image.table(3).table(1).byte(0) == 1
    [unit] = image.tables(4)
    assert unit.byte(0) == 1  # NormalizationOptions
    assert unit.table(1).floats(0) == [0.0]
    assert unit.table(1).floats(1) == [1.0]
    [labels] = score.tables(6)
    assert labels.bytes(0) == b"labels.txt"
    assert labels.byte(2) == 2  # TENSOR_AXIS_LABELS


def test_pixels_are_normalized_to_the_range_of_the_network():
    content = describe_images("signed", (-1, 1), False)
    [subgraph] = Table.root(content).tables(3)
    [unit] = subgraph.tables(2)[0].tables(4)
    [mean], [deviation] = unit.table(1).floats(0), unit.table(1).floats(1)
    black, white = ((each - mean) / deviation for each in (0, 255))
    assert (black, white) == pytest.approx((-1, 1))
    assert subgraph.tables(3)[0]._field(6) is None


@SCHEMES
def test_the_graph_computes_the_same_and_stays_aligned(
    named, cnn, calibration, evaluation, tmp_path, scheme
):
    path = named / f"{scheme}.tflite"
    graph, _ = split_archive(path.read_bytes())
    bare = set_metadata(graph, None)
    assert metadata_of(bare) is None
    (tmp_path / "bare.tflite").write_bytes(bare)
    np.testing.assert_array_equal(
        load(tmp_path / "bare.tflite").predict(evaluation[0]),
        load(path).predict(evaluation[0]),
    )
    for content in (graph, bare):
        packed = schema.Model.GetRootAs(content)
        sizes = 0
        for index in range(packed.BuffersLength()):
            data = packed.Buffers(index).DataAsNumpy()
            if isinstance(data, np.ndarray):
                place = (
                    data.ctypes.data
                    - np.frombuffer(content, "uint8").ctypes.data
                )
                assert place % 16 == 0
                sizes += data.size
        assert sizes > 2000
    entry = metadata_of(graph)
    assert set_metadata(bare, entry) == graph
    assert set_metadata(bare, None) is bare


def test_a_graph_for_microcontrollers_is_left_as_it_is(named, cnn, calibration):
    graph, _ = split_archive((named / "int8.tflite").read_bytes())
    assert metadata_of(graph) is None
    again = named / "again.tflite"
    to_tflite(cnn, again, "int8", calibration=calibration)
    assert again.read_bytes() == graph


@SCHEMES
def test_mediapipe_gives_the_same_classes_and_scores(
    named, evaluation, tmp_path, scheme
):
    missing = subprocess.run([PYTHON, "-c", "import mediapipe"], check=False)
    if missing.returncode:
        pytest.skip("name a Python with mediapipe in MEDIAPIPE_PYTHON")
    images = np.clip(np.round(evaluation[0][:12]), 0, 255).astype("uint8")
    np.save(tmp_path / "images.npy", images)
    path = named / f"{scheme}.tflite"
    program = pathlib.Path(__file__).with_name("mediapipe_classify.py")
    finished = subprocess.run(
        [PYTHON, program, path, tmp_path / "images.npy"],
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    answers = json.loads(finished.stdout.splitlines()[-1])
    expected = load(path).predict(images)
    found = [[answer[name] for name in NAMES] for answer in answers]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(set(expected.argmax(axis=1))) > 1
