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


def test_other_files_are_left_out_and_known(tmp_path):
    make(
        tmp_path,
        "a/1.jpg",
        "b/1.jpg",
        "b/notes.txt",
        "b/.DS_Store",
        "b/.ipynb_checkpoints/1-checkpoint.jpg",
        "labels.txt",
        "stray.jpg",
    )
    listing = list_image_folder(tmp_path)
    assert {
        each.file.relative_to(tmp_path).as_posix(): each.reason
        for each in listing.left_out
    } == {
        "b/notes.txt": "no image by its name (.txt)",
        "b/.DS_Store": "hidden, or put there by the system",
        "b/.ipynb_checkpoints/1-checkpoint.jpg": (
            "hidden, or put there by the system"
        ),
        "labels.txt": "not read: the class folders' names are the classes",
        "stray.jpg": "beside the class folders, so of no class",
    }
    assert len(listing.parts["train"]) == 2


def test_a_class_called_train_swallows_no_other(tmp_path):
    make(tmp_path, "train/a.jpg", "bus/b.jpg", "car/c.jpg", "car/d.jpg")
    listing = list_image_folder(tmp_path)
    assert listing.class_names == ["bus", "car", "train"]
    assert [label for _, label in listing.parts["train"]] == [0, 1, 1, 2]
    assert any("'train'" in note for note in listing.notes)


def test_one_name_in_two_unicode_forms_is_one_class(tmp_path):
    make(
        tmp_path,
        "train/caf\u00e9/a.jpg",
        "train/cafe\u0301/b.jpg",
        "train/dog/c.jpg",
        "val/cafe\u0301/d.jpg",
    )
    listing = list_image_folder(tmp_path)
    assert listing.class_names == ["caf\u00e9", "dog"]
    assert sorted(names(listing, "train")) == [
        ("a.jpg", 0),
        ("b.jpg", 0),
        ("c.jpg", 1),
    ]
    assert names(listing, "validation") == [("d.jpg", 0)]


def test_names_of_two_cases_are_two_classes_and_told(tmp_path):
    make(tmp_path, "a/1.jpg", "b/1.jpg")
    assert list_image_folder(tmp_path).notes == []
    make(tmp_path, "A/1.jpg")
    if len(list(tmp_path.iterdir())) == 2:
        pytest.skip("the file system knows one case")
    listing = list_image_folder(tmp_path)
    assert listing.class_names == ["A", "a", "b"]
    assert "'A' and 'a' differ by upper and lower" in listing.notes[0]


def test_an_image_has_one_class(tmp_path):
    make(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "c").symlink_to(tmp_path / "a")
    with pytest.raises(ValueError, match="two classes, 'a' and 'c'"):
        list_image_folder(tmp_path)
    (tmp_path / "c").unlink()
    (tmp_path / "b" / "2.jpg").symlink_to(tmp_path / "a" / "1.jpg")
    with pytest.raises(ValueError, match="two classes, 'a' and 'b'"):
        list_image_folder(tmp_path)


def test_linked_class_folders_are_read(tmp_path):
    photos = tmp_path / "photos"
    make(tmp_path, "elsewhere/1.jpg", "photos/b/1.jpg")
    (photos / "a").symlink_to(tmp_path / "elsewhere")
    listing = list_image_folder(photos)
    assert names(listing, "train") == [("1.jpg", 0), ("1.jpg", 1)]


def test_a_part_that_is_another_is_told(tmp_path):
    make(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "test/a/2.jpg")
    (tmp_path / "val").symlink_to(tmp_path / "test")
    listing = list_image_folder(tmp_path)
    assert "in several parts, by links: 1" in listing.notes[-1]


@pytest.mark.parametrize("name", ["a\u2028b", "a\nb", "a ", "a\u202eb"])
def test_names_that_cannot_be_written_are_refused(tmp_path, name):
    make(tmp_path, f"{name}/1.jpg", "b/1.jpg")
    with pytest.raises(ValueError, match="class folder="):
        list_image_folder(tmp_path)


@pytest.mark.parametrize(
    "files, message",
    [
        (["cat/a.jpg"], r"two classes.*\['cat'\]"),
        (["a.jpg", "b.jpg"], r"two classes.*<class>"),
        (["cat/a.txt", "dog/b.raw"], r"no images.*1 left.*\.raw.*\.txt"),
        (["photos.zip"], r"two classes.*unpack it \(\.zip\)"),
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


def test_a_folder_above_the_classes_is_asked_about(tmp_path):
    for place in ("photos/cat/1", "photos/dog/2", "other/3"):
        path = tmp_path / f"{place}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    notes = " ".join(list_image_folder(tmp_path).notes)
    assert "class: 2. These are most of all: are other, photos the" in notes
    (tmp_path / "other/4.jpg").write_bytes(b"")
    notes = " ".join(list_image_folder(tmp_path).notes)
    assert "class: 2." in notes and "most of all" not in notes


@pytest.mark.parametrize("folder", ["images", "."])
def test_labels_in_a_table_are_refused_with_a_way_out(tmp_path, folder):
    make(tmp_path, f"{folder}/a.png")
    (tmp_path / "labels.csv").write_text("file,labels\na.png,red round\n")
    with pytest.raises(ValueError) as caught:
        list_image_folder(tmp_path)
    said = str(caught.value)
    assert "Several labels a photo (a sigmoid each) are not trained" in said
    assert "train one network a label" in said
    assert "photos/<class>/*.jpg" in said and "labels.csv" in said
    # Beside folders that are the classes it is only said.
    make(tmp_path / "more", "red/a.png", "round/a.png")
    table = (tmp_path / "labels.csv").rename(tmp_path / "more" / "labels.csv")
    listing = list_image_folder(tmp_path / "more")
    assert listing.class_names == ["red", "round"]
    [left] = listing.left_out
    assert left.file == table
    assert left.reason == "not read: the class folders' names are the classes"
