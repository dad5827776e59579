import pytest

from kerastl.export.package.metadata import Metadata
from kerastl.export.package.metadata import read_metadata
from kerastl.export.package.metadata import write_metadata
from kerastl.export.package.tflite_metadata import join_archive

pytestmark = pytest.mark.tensorflow_only


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])
def test_a_file_without_any_has_none(files, name):
    assert read_metadata(files / name) is None


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])
def test_what_was_written_is_read(files, name):
    names = ["a", "b", "c", "Grün"]
    written = write_metadata(files / name, Metadata(names))
    assert read_metadata(str(files / name)) == written
    assert written.class_names == names


def test_other_files_have_none(files):
    other = files / "model.bin"
    other.write_bytes((files / "model.onnx").read_bytes())
    assert read_metadata(other) is None
    other.write_bytes(b"nothing")
    assert read_metadata(other) is None


def test_a_damaged_onnx_file_is_an_error(files):
    (files / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"metadata of .*model\.onnx.* cannot"):
        read_metadata(files / "model.onnx")


def test_weights_beside_an_onnx_file_are_not_needed(files):
    import onnx

    path = files / "model.onnx"
    write_metadata(path, Metadata(["a", "b", "c", "d"]))
    onnx.save(
        onnx.load(path),
        path,
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    (files / "weights.bin").unlink()
    assert read_metadata(path).class_names == ["a", "b", "c", "d"]


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
