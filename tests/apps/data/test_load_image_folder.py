import numpy as np
import pytest
from PIL import Image

from kerastl import apps
from kerastl.apps.data.load_image_folder import choose_shots
from kerastl.apps.data.load_image_folder import split_by_class


def write_images(folder, count, value, side=40):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        image = Image.new("RGB", (side, side), (value, index, 0))
        image.save(folder / f"{index:02}.png")


@pytest.fixture
def photos(tmp_path):
    write_images(tmp_path / "cat", 10, 100)
    write_images(tmp_path / "dog", 20, 200)
    return tmp_path


def labels_of(dataset):
    return np.concatenate([labels for _, labels in dataset])


def test_splits_by_class_and_says_so(photos):
    data = apps.load_image_folder(photos, 16, test_split=0.1, seed=3)
    assert data.class_names == ["cat", "dog"]
    assert data.counts == {
        "train": {"cat": 7, "dog": 14},
        "validation": {"cat": 2, "dog": 4},
        "test": {"cat": 1, "dog": 2},
    }
    assert any("no validation part: 20%" in note for note in data.notes)
    seen = [
        tuple(row)
        for part in data.parts
        for row in data.images(part)[0][:, 8, 8].tolist()
    ]
    assert len(set(seen)) == 30


def test_images_and_labels_belong_together(photos):
    data = apps.load_image_folder(photos, 16, batch_size=4)
    for dataset in (data.train, data.validation, data.calibration):
        for images, labels in dataset:
            assert images.shape[1:] == (16, 16, 3)
            assert images.dtype == "float32" and labels.dtype == "int32"
            np.testing.assert_allclose(
                images[:, 8, 8, 0], 100 + 100 * labels.numpy(), atol=0.01
            )
    assert data.test is None
    assert len(labels_of(data.train)) == 24
    assert labels_of(data.calibration)[:8].tolist() == [0, 1] * 4


def test_an_official_split_is_kept(tmp_path):
    for place, part in enumerate(("test", "valid", "train")):
        write_images(tmp_path / part / "a", 1 + place, 10 + 40 * place)
        write_images(tmp_path / part / "b", 1 + place, 20 + 40 * place)
    data = apps.load_image_folder(tmp_path, 16)
    assert list(data.counts) == ["train", "validation", "test"]
    assert data.counts["validation"] == {"a": 2, "b": 2}
    assert data.notes == []


def test_shots_are_seeded_and_nested(photos):
    def chosen(shots, seed):
        data = apps.load_image_folder(photos, 16, shots=shots, seed=seed)
        assert data.counts["train"] == {"cat": shots, "dog": shots}
        return {tuple(p) for p in data.images("train")[0][:, 8, 8].tolist()}

    assert chosen(3, 1) == chosen(3, 1)
    assert chosen(3, 1) != chosen(3, 2)
    assert chosen(3, 1) < chosen(5, 1)


def test_bad_files_are_left_out_and_named(photos):
    (photos / "cat" / "damaged.jpg").write_text("text")
    content = (photos / "dog" / "00.png").read_bytes()
    (photos / "dog" / "cut.png").write_bytes(content[:60])
    Image.new("RGB", (5, 50)).save(photos / "dog" / "tiny.png")
    (photos / "dog" / "notes.txt").touch()

    for memory in (1 << 30, 0):
        with pytest.warns(UserWarning, match="not used.*too small: 5x50"):
            data = apps.load_image_folder(photos, 16, memory_limit=memory)
        assert [file for file, _ in data.skipped] == [
            "cat/damaged.jpg",
            "dog/cut.png",
            "dog/tiny.png",
        ]
        assert data.ignored == ["dog/notes.txt"]
        assert len(data.left_out) == 4
        assert sum(map(sum, (c.values() for c in data.counts.values()))) == 30
    assert "dog/tiny.png: too small: 5x50" in data.summary()
    assert max(map(len, data.summary().splitlines())) <= 80
    with pytest.raises(ValueError, match="3 image files.*cat/damaged.jpg"):
        apps.load_image_folder(photos, 16, strict=True)


def test_hidden_copies_are_in_no_part(photos):
    whole = apps.load_image_folder(photos, 16)
    for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        write_images(photos / "cat" / name, 4, 250)
    data = apps.load_image_folder(photos, 16)
    assert data.counts == whole.counts
    assert len(data.left_out) == 12 and data.skipped == []
    assert "12 left out: hidden" in data.summary()
    for part in data.parts:
        pixels, labels = data.images(part)
        expected, same = whole.images(part)
        np.testing.assert_array_equal(pixels, expected)
        np.testing.assert_array_equal(labels, same)


def test_what_is_no_photo_or_unreadable_is_counted_by_reason(
    photos, monkeypatch
):
    from kerastl.apps.data import decode_image

    monkeypatch.setattr(decode_image, "_heif_is_read", lambda: False)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    for index in range(3):
        (photos / "cat" / f"{index}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.warns(UserWarning, match="3 left out: HEIC needs pillow-heif"):
        data = apps.load_image_folder(photos, 16)
    assert [file for file, _ in data.skipped] == [
        f"cat/{index}.heic" for index in range(3)
    ]
    with pytest.raises(ValueError, match="3 image files.*kerastl\\[heic\\]"):
        apps.load_image_folder(photos, 16, strict=True)


def test_a_class_that_cannot_be_read_is_named(photos):
    (photos / "cow").mkdir()
    (photos / "cow" / "1.jpg").write_text("text")
    with pytest.raises(ValueError, match="'cow' has no training image that"):
        apps.load_image_folder(photos, 16)


def test_too_few_images_for_the_shots_are_counted(photos):
    with pytest.raises(ValueError, match="'cat' has 8 training.*shots=9"):
        apps.load_image_folder(photos, 16, shots=9)
    with pytest.raises(ValueError, match="'cat' has 10 training.*shots=11"):
        apps.load_image_folder(photos, 16, shots=11)


@pytest.mark.parametrize(
    "arguments",
    [
        {"image_size": 7},
        {"image_size": (16, 16)},
        {"image_size": 16.0},
        {"batch_size": 2.5},
        {"batch_size": "4"},
        {"shots": 2.5},
        {"shots": True},
        {"seed": 1.5},
        {"seed": -1},
        {"margin": 2.5},
        {"test_split": float("nan")},
        {"test_split": "0.1"},
        {"batch_size": 0},
        {"shots": 0},
        {"validation_split": 1.0},
        {"validation_split": 0.5, "test_split": 0.5},
        {"test_split": -0.1},
    ],
)
def test_arguments_out_of_range_are_named(photos, arguments):
    with pytest.raises(ValueError, match=next(reversed(arguments))):
        apps.load_image_folder(photos, **{"image_size": 16, **arguments})


def test_reading_from_disk_gives_the_same(photos):
    kept = apps.load_image_folder(photos, 16, augment="none")
    read = apps.load_image_folder(photos, 16, augment="none", memory_limit=0)
    assert read.parts["train"].images is None
    for part in ("train", "validation"):
        for a, b in zip(kept.images(part), read.images(part), strict=True):
            np.testing.assert_array_equal(a, b)
    few = apps.load_image_folder(photos, 16, shots=1, memory_limit=15_000)
    assert few.parts["train"].images is not None


def test_larger_images_hold_the_smaller_in_their_middle(tmp_path):
    generator = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(4):
            noise = generator.integers(0, 255, (50, 60, 3), "uint8")
            Image.fromarray(noise).save(tmp_path / name / f"{index}.png")
    data = apps.load_image_folder(tmp_path, 32, validation_split=0.5)
    images, labels = data.images("validation")
    larger, same = data.larger_images("validation")
    assert larger.shape == (4, 40, 40, 3)
    np.testing.assert_array_equal(larger[:, 4:36, 4:36], images)
    np.testing.assert_array_equal(labels, same)
    few, labels = data.larger_images("train", margin=2, limit=2)
    assert few.shape == (2, 34, 34, 3) and labels.tolist() == [0, 1]
    with pytest.raises(ValueError, match="between 0 and 8.*margin=9"):
        data.larger_images("train", margin=9)
    with pytest.raises(ValueError, match="part='test'"):
        data.larger_images("test")


def test_numbers_of_numpy_count(photos):
    plain = apps.load_image_folder(photos, 16, batch_size=4, shots=3, seed=1)
    data = apps.load_image_folder(
        photos,
        np.int64(16),
        batch_size=np.int32(4),
        shots=np.uint8(3),
        seed=np.int64(1),
        validation_split=np.float32(0.2),
    )
    assert type(data.image_size) is int and type(data.batch_size) is int
    np.testing.assert_array_equal(
        data.images("train")[0], plain.images("train")[0]
    )


LABELS = np.array([0] * 10 + [1] * 3 + [2])


def test_every_class_gives_its_share_and_keeps_one():
    first, second = split_by_class(LABELS, 0.2, seed=0)
    assert np.bincount(LABELS[second], minlength=3).tolist() == [2, 1, 0]
    assert np.sort(np.concatenate([first, second])).tolist() == list(range(14))
    _, most = split_by_class(LABELS, 0.95, seed=0)
    assert np.bincount(LABELS[most], minlength=3).tolist() == [9, 2, 1]


def test_a_class_more_changes_no_choice():
    few = choose_shots(LABELS[:13], 3, seed=5)
    more = choose_shots(np.append(LABELS[:13], [2] * 4), 3, seed=5)
    assert set(few) < set(more)
