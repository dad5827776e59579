import tarfile
import zipfile

import pytest

from kerastl.apps.data.list_image_folder import find_layout
from kerastl.apps.data.list_image_folder import part_of
from kerastl.apps.data.list_image_folder import require_folder


def make(root, *files):
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize("name", ["train", "Test", "val", "validation", "dev"])
@pytest.mark.parametrize("empty", [False, True])
def test_a_class_that_is_called_as_a_part(tmp_path, name, empty):
    make(
        tmp_path,
        "bus/a.jpg",
        "car/b.jpg",
        f"{name}/{'x' if empty else 'c.jpg'}",
    )
    layout = find_layout(tmp_path)
    assert layout.parts == {"train": tmp_path}
    assert repr(name) in layout.notes[0] and "a class" in layout.notes[0]


@pytest.mark.parametrize(
    "files",
    [
        ["train/x/a.jpg", "bus/a.jpg", "car/b.jpg"],
        ["train/x/a.jpg", "train/y/a.jpg", "bus/a.jpg"],
        ["train/x/a.jpg", "test/x/a.jpg", "eval/x/a.jpg"],
        ["bus/a.jpg", "test/2020/a.jpg", "train/b.jpg"],
    ],
)
def test_two_readings_are_refused_with_the_way_out(tmp_path, files):
    make(tmp_path, *files)
    with pytest.raises(ValueError) as caught:
        find_layout(tmp_path)
    said = str(caught.value)
    assert "as the classes" in said and "as the parts" in said
    assert "put all class folders into" in said and "somewhere else" in said
    for name in {file.split("/")[0] for file in files}:
        assert repr(name) in said


def test_parts_beside_folders_without_images(tmp_path):
    make(
        tmp_path,
        "training_set/a/1.jpg",
        "Test-Images/a/1.jpg",
        "valid/a/1.jpg",
        "annotations/a.json",
        ".cache/a.jpg",
    )
    layout = find_layout(tmp_path)
    assert layout.parts == {
        "train": tmp_path / "training_set",
        "validation": tmp_path / "valid",
        "test": tmp_path / "Test-Images",
    }
    assert list(layout.parts) == ["train", "validation", "test"]
    assert layout.others == [tmp_path / "annotations"]


@pytest.mark.parametrize(
    "files, message",
    [
        (["train/a.jpg", "test/b.jpg"], "no folder a class in them"),
        (["val/a/a.jpg", "test/a/b.jpg"], "no `train` folder"),
        (
            ["train/a/1.jpg", "val/a/1.jpg", "validation/a/1.jpg"],
            "Two folders are for the validation part.*'val', 'validation'",
        ),
    ],
)
def test_parts_that_lack_something(tmp_path, files, message):
    make(tmp_path, *files)
    with pytest.raises(ValueError, match=message):
        find_layout(tmp_path)


def test_names_of_parts():
    assert part_of("VAL") == "validation"
    assert part_of("test_data") == "test"
    assert part_of("trainer") is None
    assert part_of("protest") is None


def test_what_is_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        require_folder(tmp_path / "nowhere")
    (tmp_path / "labels.txt").write_text("a\n")
    with pytest.raises(NotADirectoryError, match="is a file"):
        require_folder(tmp_path / "labels.txt")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a", "b")
    with tarfile.open(tmp_path / "photos.tgz", "w:gz") as archive:
        archive.add(tmp_path / "labels.txt", "a")
    for name in ("photos.zip", "photos.tgz"):
        with pytest.raises(NotADirectoryError, match="unpacked first"):
            require_folder(tmp_path / name)


@pytest.mark.parametrize("name", ["labels.csv", "annotations.JSON"])
def test_a_table_in_place_of_a_folder(tmp_path, name):
    (tmp_path / name).write_text("a,b")
    with pytest.raises(NotADirectoryError, match="is a table.*one class.*Rec"):
        require_folder(tmp_path / name)
