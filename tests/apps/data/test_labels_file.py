import pytest

from kerastl.apps.data.labels_file import labels_text
from kerastl.apps.data.labels_file import read_labels


@pytest.mark.parametrize(
    "content",
    [
        "a b\n[c]\nd\u2028e\n",
        "a b\r\n[c]\r\nd\u2028e\r\n",
        "a b\n[c]\nd\u2028e",
        "a b\n[c]\nd\u2028e\n\n\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_are_read_as_they_are_written(tmp_path, content, encoding):
    path = tmp_path / "labels.txt"
    path.write_bytes(content.encode(encoding))
    assert read_labels(path) == ["a b", "[c]", "d\u2028e"]


def test_what_is_written_is_read(tmp_path):
    names = ["é", " x", "a\x0bb", "", "z"]
    path = tmp_path / "labels.txt"
    path.write_bytes(labels_text(names).encode())
    assert read_labels(path) == names


def test_other_bytes_are_told(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(ValueError, match="not UTF-8.*labels="):
        read_labels(path)
