import pytest

from kerastl.apps.data.list_image_folder import list_image_folder


def make(root, *files):
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(listing, part):
    return [(file.name, label) for file, label in listing.parts[part]]


def test_class_folders_without_a_split(tmp_path):
    make(tmp_path, "dog/b.JPG", "cat/deep/a.png", "cat/c.webp", ".git/x.png")
    listing = list_image_folder(tmp_path)
    assert listing.class_names == ["cat", "dog"]
    assert list(listing.parts) == ["train"]
    assert names(listing, "train") == [
        ("c.webp", 0),
        ("a.png", 0),
        ("b.JPG", 1),
    ]


@pytest.mark.parametrize("validation", ["validation", "val", "Valid"])
def test_a_split_by_any_of_its_names(tmp_path, validation):
    make(
        tmp_path,
        "Train/cat/a.jpg",
        "Train/dog/b.jpg",
        f"{validation}/dog/c.jpg",
        "test/cat/d.jpg",
    )
    listing = list_image_folder(tmp_path)
    assert set(listing.parts) == {"train", "validation", "test"}
    assert names(listing, "validation") == [("c.jpg", 1)]


def test_other_files_are_ignored_and_known(tmp_path):
    make(tmp_path, "a/1.jpg", "b/1.jpg", "b/notes.txt", "b/.DS_Store")
    listing = list_image_folder(tmp_path)
    assert [file.name for file in listing.ignored] == ["notes.txt"]
    assert len(listing.parts["train"]) == 2


@pytest.mark.parametrize(
    "files, message",
    [
        (["cat/a.jpg"], r"two classes.*\['cat'\]"),
        (["a.jpg", "b.jpg"], r"two classes.*<class>"),
        (["cat/a.txt", "dog/b.heic"], r"no images.*2 other.*\.heic, \.txt"),
        (["cat/a.jpg", "dog/b.txt"], "'dog' has no training images.*txt"),
        (["val/cat/a.jpg", "test/cat/b.jpg"], "no `train` folder"),
        (
            ["train/a/1.jpg", "train/b/1.jpg", "test/c/1.jpg"],
            "training images lack: 'c'",
        ),
    ],
)
def test_other_layouts_are_refused(tmp_path, files, message):
    make(tmp_path, *files)
    with pytest.raises(ValueError, match=message):
        list_image_folder(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list_image_folder(tmp_path / "nowhere")
