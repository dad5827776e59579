import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from kerastl.apps.inspect.inspect_photos import inspect_photos
from kerastl.apps.inspect.photo_checks import find_copies
from kerastl.apps.inspect.photo_checks import find_doubtful
from kerastl.apps.inspect.photo_checks import measure_photo
from kerastl_command_line.app import app


def draw(seed, width=90, height=120):
    """A photo of large patches with fine noise."""
    generator = np.random.default_rng(seed)
    patches = generator.integers(0, 256, (5, 4, 3)).astype("uint8")
    image = Image.fromarray(patches)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    noise = generator.integers(-20, 21, (height, width, 3))
    pixels = np.asarray(image).astype(int) + noise
    return Image.fromarray(np.clip(pixels, 0, 255).astype("uint8"))


@pytest.fixture
def photos(tmp_path):
    """Training and test photos of two classes, none of them twice."""
    root = tmp_path / "my photos"
    for number, part in enumerate(("train", "test")):
        for label, name in enumerate(("cat", "dog's")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for index in range(4):
                seed = 100 * number + 10 * label + index
                draw(seed).save(folder / f"{index}.jpg", quality=95)
    return root


def files(group):
    return [row["file"] for row in group]


def test_copies_are_found_in_another_size_quality_and_format(photos):
    first = photos / "train" / "cat" / "0.jpg"
    shutil.copy(first, photos / "test" / "cat" / "same.jpg")
    with Image.open(first) as image:
        image.resize((63, 84)).save(photos / "test" / "cat" / "less.webp")
        image.save(photos / "train" / "dog's" / "worse.jpg", quality=30)
    [group] = inspect_photos(photos).copies
    assert files(group) == [
        "train/cat/0.jpg",
        "train/dog's/worse.jpg",
        "test/cat/less.webp",
        "test/cat/same.jpg",
    ]


def test_commands_move_what_they_say_and_only_they(photos, tmp_path):
    shutil.copy(photos / "train/dog's/1.jpg", photos / "test/dog's/copy.jpg")
    shutil.copy(photos / "train/cat/2.jpg", photos / "train/cat/again.jpg")
    before = sorted(photos.rglob("*"))
    found = inspect_photos(photos)
    assert sorted(photos.rglob("*")) == before
    assert [len(group) for group in found.copies] == [2, 2]
    assert len(found.leaks) == 1
    # The test photo stays, and so does the first of two in one part.
    for command in found.commands()["copies"]:
        subprocess.run(["sh", "-c", command], check=True)
    aside = tmp_path / "my photos-set-aside" / "train"
    moved = [path.relative_to(aside) for path in aside.rglob("*.jpg")]
    assert sorted(map(str, moved)) == ["cat/again.jpg", "dog's/1.jpg"]
    assert inspect_photos(photos).copies == []


def test_odd_photos_and_files_that_are_left_out(photos):
    folder = photos / "train" / "cat"
    draw(7, 40, 40).save(folder / "tiny.png")
    draw(8, 400, 130).save(folder / "wide.png")
    dark = Image.fromarray((np.asarray(draw(9)) // 6).astype("uint8"))
    dark.save(folder / "dark.png")
    smooth = draw(10).resize((9, 12)).resize((180, 240))
    smooth.save(folder / "blurred.png")
    (folder / "torn.jpg").write_bytes((folder / "1.jpg").read_bytes()[:900])
    (folder / ".hidden.jpg").write_bytes(b"")
    found = inspect_photos(photos, image_size=96)
    names = {
        reason: [row["file"].rpartition("/")[2] for row in rows]
        for reason, rows in found.odd.items()
    }
    assert names["tiny"] == ["tiny.png"]
    assert names["odd shape"] == ["wide.png"]
    assert names["dark"] == ["dark.png"]
    assert names["blurred"] == ["blurred.png"]
    left = {group["examples"][0]: group["reason"] for group in found.left_out}
    assert set(left) == {"train/cat/torn.jpg", "train/cat/.hidden.jpg"}
    assert found.classes["cat"] == {"train": 8, "test": 4}
    assert "fewer than 10 photos: dog's" in " ".join(found.notes)


def test_a_turned_photo_has_the_size_that_is_seen(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    draw(1).save(tmp_path / "photo.jpg", exif=exif)
    facts = measure_photo(tmp_path / "photo.jpg")
    assert (facts.width, facts.height) == (120, 90)


def test_plain_photos_are_no_copies_of_each_other(tmp_path):
    facts = []
    for index in range(4):
        # One disc on white each, in another corner.
        pixels = np.full((80, 80, 3), 250, "uint8")
        top, left = 50 * (index // 2), 50 * (index % 2)
        pixels[top : top + 24, left : left + 24] = 30
        path = tmp_path / f"{index}.png"
        Image.fromarray(pixels).save(path)
        facts.append(measure_photo(path))
    assert find_copies(facts) == []


def test_swapped_labels_come_first():
    pytest.importorskip("cleanlab")
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 30)
    features = np.eye(8)[labels] + generator.normal(0, 0.05, (90, 8))
    swapped = [4, 37, 71]
    given = labels.copy()
    given[swapped] = (given[swapped] + 1) % 3
    found = find_doubtful(features, given)
    assert {index for index, _ in found[:3]} == set(swapped)
    assert {likely for _, likely in found[:3]} == {0, 1, 2}


@pytest.mark.tensorflow_only
def test_with_weights_a_swapped_photo_is_doubtful(shapes, tmp_path):
    pytest.importorskip("cleanlab")
    from kerastl import apps

    network = apps.ResNet8(weights=None, input_shape=(32, 32, 3), classes=3)
    found = apps.inspect_photos(
        shapes, tmp_path / "page.html", "resnet8", network, image_size=32
    )
    assert found.why_not == ""
    for row in found.doubtful:
        assert row["looks_like"] != row["class"]
        command = found.commands()["doubtful"][0]
    if found.doubtful:
        row = found.doubtful[0]
        target = shapes / row["looks_like"] / row["file"].rpartition("/")[2]
        assert command.endswith(str(target))
    assert "Doubtful labels" in (tmp_path / "page.html").read_text()


def test_the_verb_takes_no_keras_and_its_page_shows_the_photos(
    photos, tmp_path, run_in_new_interpreter
):
    shutil.copy(photos / "train/cat/2.jpg", photos / "test/cat/copy.jpg")
    page = tmp_path / "<b>.html"
    found = run_in_new_interpreter(
        """
        import sys

        for name in ("tensorflow", "keras", "cleanlab", "sklearn"):
            sys.modules[name] = None
        from kerastl_command_line.app import main

        main()
        """,
        *("inspect", photos, "--output", page, "--image-size", 96, "--json"),
    )
    found = json.loads(found)
    assert len(found["copies"]) == 1 and found["doubtful"] is None
    assert "--weights" in found["why_not"]
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 2
    assert "several parts" in text and "mv -n" in text
    assert '"Segoe UI"' in text
    assert "http://" not in text and "https://" not in text
    said = CliRunner().invoke(
        app, ["inspect", str(photos), "--output", str(page)]
    )
    assert said.exit_code == 2 and "exists already" in said.output


@pytest.mark.tensorflow_only
def test_memory_is_estimated_before_photos_are_read(shapes):
    pytest.importorskip("cleanlab")
    with pytest.raises(ValueError, match=r"GiB.*image_size=100000, batch_size"):
        inspect_photos(shapes, None, "resnet8", "any.h5", image_size=100_000)


def test_three_photos_and_what_cannot_be_inspected(tmp_path):
    for name in ("a/1", "a/2", "b/3"):
        path = tmp_path / "few" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(int(name[-1])).save(path)
    found = inspect_photos(tmp_path / "few")
    assert found.copies == []
    assert found.classes == {"a": {"train": 2}, "b": {"train": 1}}
    with pytest.raises(FileNotFoundError, match="does not exist"):
        inspect_photos(tmp_path / "none")
    for path in (tmp_path / "few").rglob("*.jpg"):
        path.write_text("no photo")
    with pytest.raises(ValueError, match="None of the photos can be read"):
        inspect_photos(tmp_path / "few")
