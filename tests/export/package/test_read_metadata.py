import pytest

from kerastl.export.package.metadata import Metadata
from kerastl.export.package.read_metadata import read_metadata
from kerastl.export.package.tflite_archive import join_archive
from kerastl.export.package.write_metadata import write_metadata

pytestmark = pytest.mark.tensorflow_only


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])
def test_a_file_without_any_has_none(files, name):
    assert read_metadata(files / name) is None


def test_damaged_metadata_is_an_error(files):
    path = files / "model.tflite"
    values = {**Metadata(["a", "b", "c", "d"]).to_dict(), "format_version": 9}
    path.write_bytes(join_archive(path.read_bytes(), values, []))
    with pytest.raises(ValueError, match="newer version"):
        read_metadata(path)
    write_metadata(path, Metadata(["a", "b", "c", "d"]))
    content = bytearray(path.read_bytes())
    place = content.index(b"metadata.json") + 60
    content[place : place + 20] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read"):
        read_metadata(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        read_metadata(tmp_path / "none.tflite")
