"""What the first bytes of a file tell."""

import pytest

from kerastl.export.keras_files.unreadable import check_is_binary
from kerastl.export.keras_files.unreadable import check_is_file
from kerastl.export.keras_files.unreadable import corrupt
from kerastl.export.keras_files.unreadable import unreadable


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "as onnx: it is empty \\(0 bytes\\)"),
        (b"version https://git-lfs.github.com\n", "git lfs pull"),
        (b" \n first line \n second", "begins with 'first line '"),
        (b" \n\t ", "begins with ''"),
        (b"x" * 61, f"begins with '{'x' * 60}'"),
        ("größe".encode(), "begins with 'größe'"),
        # The sample of 512 bytes ends within a letter of two bytes, or four.
        (b"x" * 511 + "ö".encode(), "it is text"),
        (b"x" * 509 + "\N{GRINNING FACE}".encode(), "it is text"),
        (b"x" * 512 + b"\x00\xff", "it is text"),
        (b"\x1c\x00\x00\x00TFL3\xff", "it is a file of tflite"),
    ],
)
def test_what_never_held_a_model_is_refused(tmp_path, content, message):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        check_is_binary(path, "onnx")
    assert str(caught.value).endswith(f"Received: path={str(path)!r}")


@pytest.mark.parametrize(
    "content",
    [
        b"\x00",
        b"text and \x00 no text",
        b"x" * 511 + b"\x00",
        # Four bytes that begin no letter.
        b"x" * 508 + b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff",
        b"\x80",
        b"\x08\x0a\x12",
    ],
)
def test_what_is_no_text_is_left_to_its_reader(tmp_path, content):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    check_is_binary(path, "onnx")


@pytest.mark.parametrize(
    "error, reason",
    [
        ("  broken\n", "broken. It is corrupt or incomplete;"),
        ("", "as keras: it is corrupt or incomplete;"),
        ("y" * 501, f"as keras: {'y' * 500}. It is corrupt"),
    ],
)
def test_damage_is_called_damage(error, reason):
    found = corrupt("a.keras", "keras", error)
    assert isinstance(found, ValueError) and reason in str(found)
    assert str(unreadable("a.h5", "keras", "of it")) == (
        "The file 'a.h5' cannot be read as keras: of it. Received: path='a.h5'"
    )


@pytest.mark.parametrize(
    "name, content, format, other",
    [
        ("a.tflite", b"\x1c\x00\x00\x00TFL3\xff", "keras", "tflite"),
        ("a.onnx", b"\x08\x0a\x12", "keras", "onnx"),
        ("a.onnx", b"PK\x03\x04\xff", "onnx", "keras"),
        ("a.tflite", b"\x89HDF\r\n\x1a\n", "tflite", "keras"),
        ("a.tflite", b"\x1c\x00\x00\x00TFL3", "Keras weights", "tflite"),
    ],
)
def test_another_format_is_not_called_corrupt(
    tmp_path, name, content, format, other
):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"it is a file of {other}") as caught:
        check_is_binary(path, format)
    assert "corrupt" not in str(caught.value)


@pytest.mark.parametrize("start", [b"PK\x03\x04\xff", b"\x89HDF\r\n\x1a\n"])
@pytest.mark.parametrize("format", ["keras", "Keras weights"])
def test_files_of_keras_are_left_to_their_reader(tmp_path, start, format):
    path = tmp_path / "a.keras"
    path.write_bytes(start)
    check_is_binary(path, format)


def test_of_a_run_the_files_are_named(tmp_path):
    for name in ("model.keras", "model_int8.tflite", "report.json"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match="is a folder. Name a file") as caught:
        check_is_file(tmp_path)
    for name in ("model.keras", "model_int8.tflite"):
        assert str(tmp_path / name) in str(caught.value)
    assert "report.json" not in str(caught.value)


def test_of_a_folder_without_any_it_is_said(tmp_path):
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(ValueError, match="no file in it ends in .keras or"):
        check_is_file(tmp_path / "model.onnx")
    (tmp_path / "model.onnx" / "saved_model.pb").touch()
    with pytest.raises(ValueError, match="SavedModel"):
        check_is_file(tmp_path / "model.onnx")
