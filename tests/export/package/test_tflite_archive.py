import io
import zipfile

from kerastl.export.package.tflite_archive import join_archive
from kerastl.export.package.tflite_archive import split_archive

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
    assert join_archive(GRAPH, {}, []) == join_archive(GRAPH, {}, [])


def test_a_graph_without_an_archive_is_left_whole():
    assert split_archive(GRAPH) == (GRAPH, {})
    # The mark of a zip's end may stand in the weights by chance.
    content = GRAPH + b"PK\x05\x06" + GRAPH
    assert split_archive(content) == (content, {})
