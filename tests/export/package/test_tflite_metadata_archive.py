import io
import json
import zipfile

import pytest

from kerastl.export.package.tflite_metadata import join_archive
from kerastl.export.package.tflite_metadata import split_archive

GRAPH = bytes(range(256)) * 40


def test_what_is_joined_comes_apart():
    content = join_archive(GRAPH, {"a": "ü"}, ["one", "two"])
    graph, files = split_archive(content)
    assert graph == GRAPH
    assert content.startswith(GRAPH)
    assert files["labels.txt"] == b"one\ntwo\n"
    assert "ü" in files["metadata.json"].decode()
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


def test_equal_content_gives_equal_bytes():
    content = join_archive(GRAPH, {}, ["one"])
    assert content == join_archive(GRAPH, {}, ["one"])
    # The oldest that a zip archive can say.
    entries = zipfile.ZipFile(io.BytesIO(content)).infolist()
    assert {each.date_time for each in entries} == {(1980, 1, 1, 0, 0, 0)}


def test_a_graph_without_an_archive_is_left_whole():
    assert split_archive(GRAPH) == (GRAPH, {})
    # The mark of a zip's end may stand in the weights by chance.
    content = GRAPH + b"PK\x05\x06" + GRAPH
    assert split_archive(content) == (content, {})


def test_a_flipped_bit_in_the_archive_never_passes_for_none():
    content = join_archive(GRAPH, {"class_names": ["a"]}, ["a"])
    for place in range(len(GRAPH), len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 4
        try:
            _, files = split_archive(bytes(damaged))
        except ValueError:
            continue
        assert json.loads(files["metadata.json"]) == {"class_names": ["a"]}


def test_what_would_unfold_without_end_is_refused():
    buffer = io.BytesIO()
    buffer.write(GRAPH)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", bytes(5 * 1024 * 1024))
    with pytest.raises(ValueError, match="more than"):
        split_archive(buffer.getvalue())
    foreign = io.BytesIO()
    foreign.write(GRAPH)
    with zipfile.ZipFile(foreign, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other.bin", bytes(5 * 1024 * 1024))
    assert split_archive(foreign.getvalue()) == (GRAPH, {})
