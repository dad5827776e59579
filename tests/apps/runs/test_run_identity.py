import keras
import numpy as np
import pytest
from PIL import Image

from kerastl import apps
from kerastl.apps.runs.run_identity import describe_changes
from kerastl.apps.runs.run_identity import run_identity


@pytest.fixture
def photos(tmp_path):
    for index, name in enumerate(("train/a", "train/b", "test/a")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(3):
            colour = (20 * number, 99, 50 * index)
            Image.new("RGB", (24, 24), colour).save(folder / f"{number}.bmp")
    return tmp_path / "photos"


def identity(photos, weights=None, **options):
    options = {"validation_split": 0, **options}
    return run_identity(apps.load_image_folder(photos, 8, **options), weights)


def changes(photos, before, **options):
    return describe_changes(before, identity(photos, **options))


def test_what_is_moved_as_a_whole_is_the_same(photos, tmp_path):
    before = identity(photos)
    photos.rename(tmp_path / "elsewhere")
    assert changes(tmp_path / "elsewhere", before) == []
    # Decoded when they are read, or kept in memory.
    assert changes(tmp_path / "elsewhere", before, memory_limit=0) == []


def test_a_byte_of_a_photo_counts(photos):
    before = identity(photos)
    file = photos / "test" / "a" / "1.bmp"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert changes(photos, before) == ["test/a has other images"]


def test_names_count_for_they_decide_the_order(photos):
    before = identity(photos)
    (photos / "train" / "b" / "0.bmp").rename(photos / "train" / "b" / "9.bmp")
    assert changes(photos, before) == ["train/b has other images"]


def test_a_class_that_is_called_otherwise(photos):
    before = identity(photos)
    (photos / "train" / "b").rename(photos / "train" / "z5")
    assert changes(photos, before) == ["the classes ['b'] are now ['z5']"]


def test_images_that_are_gone_are_counted(photos):
    before = identity(photos)
    (photos / "train" / "b" / "0.bmp").unlink()
    (photos / "test" / "a" / "0.bmp").unlink()
    assert changes(photos, before) == [
        "test/a had 3 images, has 2",
        "train/b had 3 images, has 2",
    ]


def test_unlabelled_images_count(photos):
    before = identity(photos, shots=2, unlabelled=True)
    left = apps.load_image_folder(
        photos, 8, validation_split=0, shots=2, unlabelled=True
    ).unlabelled.files[0]
    Image.new("RGB", (24, 24), "red").save(left)
    assert changes(photos, before, shots=2, unlabelled=True) == [
        "unlabelled has other images"
    ]


def test_arrays_count_by_their_values(tmp_path):
    data = apps.load_digits_pair(image_size=16).target
    before = run_identity(data, None)
    again = apps.load_digits_pair(image_size=16).target
    assert describe_changes(before, run_identity(again, None)) == []
    again.parts["test"].images[0, 8, 8, 0] ^= 1
    label = again.class_names[again.parts["test"].labels[0]]
    assert describe_changes(before, run_identity(again, None)) == [
        f"test/{label} has other images"
    ]


def test_weights_count_by_their_contents(photos, tmp_path):
    path = tmp_path / "w.h5"
    path.write_bytes(b"one")
    before = identity(photos, path)
    assert describe_changes(before, identity(photos, str(path))) == []
    path.write_bytes(b"two")
    expected = ["the weights have other contents"]
    assert describe_changes(before, identity(photos, path)) == expected
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    before = identity(photos, model)
    assert describe_changes(before, identity(photos, model)) == []
    model.layers[0].bias.assign(np.ones(2))
    assert describe_changes(before, identity(photos, model)) == expected


def test_the_names_beside_a_teacher_count(photos, tmp_path):
    teacher = tmp_path / "teacher" / "model.keras"
    teacher.parent.mkdir()
    teacher.write_bytes(b"one")
    labels = teacher.with_name("labels.txt")
    data = apps.load_image_folder(photos, 8, validation_split=0)
    found = []
    for text in (None, "a\nb\n", "a\nb", "b\na\n"):
        if text is not None:
            labels.write_text(text)
        found.append(run_identity(data, None, teachers=[teacher]))
    none, first, same, turned = found
    changed = ["the labels.txt beside the teacher names other classes"]
    assert describe_changes(first, same) == []
    for before in (none, turned):
        assert describe_changes(before, first) == changed
    # A run of before these were kept.
    del turned["teacher_classes"]
    assert describe_changes(turned, first) == []
