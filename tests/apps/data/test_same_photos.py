"""A network that is measured on photos that it was trained on."""

import hashlib
import shutil

import numpy as np
import pytest
from PIL import Image

from kerastl import apps
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.data.image_part import in_memory
from kerastl.apps.data.same_photos import SEEN
from kerastl.apps.data.same_photos import count_seen
from kerastl.apps.data.same_photos import describe_copies
from kerastl.apps.data.same_photos import seen_text


def write(folder, *contents):
    files = []
    for number, content in enumerate(contents):
        files.append(folder / f"{content}-{number}.jpg")
        files[-1].write_text(content)
    return tuple(files)


def part(files):
    return ImagePart(np.zeros(len(files), "int32"), 8, files=files)


def test_photos_are_known_again_by_their_contents(tmp_path):
    parts = {
        "train": part(write(tmp_path, "a", "b", "b")),
        "validation": part(write(tmp_path, "c")),
        "test": part(write(tmp_path, "d")),
    }
    text = seen_text(ImageData(parts, ["one"], 8))
    expected = {
        hashlib.blake2b(each.encode(), digest_size=16).hexdigest()
        for each in "abc"
    }
    assert text.splitlines() == sorted(expected)
    model = tmp_path / "model.tflite"
    assert count_seen(model, parts["test"].files) is None
    (tmp_path / SEEN).write_text(text)
    others = write(tmp_path, "x", "a", "d", "c", "c")
    assert count_seen(model, others) == 3
    assert count_seen(model, parts["test"].files) == 0
    assert count_seen(model, None) is None


def test_of_arrays_nothing_is_kept(tmp_path):
    arrays = ImagePart(np.zeros(2, "int32"), 8, np.zeros((2, 8, 8, 3), "uint8"))
    assert seen_text(ImageData({"train": arrays}, ["one"], 8)) == ""


@pytest.mark.tensorflow_only
def test_an_evaluation_says_so(finished_run, shapes, tmp_path):
    model = finished_run.output / "model_int8.tflite"
    found = apps.evaluate_model(model, shapes)
    assert found.seen == found.figures["num_images"] == 45
    assert "45 of them the network saw in training" in str(found)
    assert found.to_dict()["seen"] == 45
    # Of a copy of the file alone nothing is known.
    copy = shutil.copy(model, tmp_path / "model.tflite")
    alone = apps.evaluate_model(copy, shapes)
    assert alone.seen is None and "saw" not in str(alone)


@pytest.mark.parametrize("decoded", [True, False])
def test_images_that_judge_and_are_trained_on_are_counted(tmp_path, decoded):
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{place}.png" for place in range(6)]
    for path in paths:
        pixels = random.integers(0, 256, (20, 20, 3), "uint8")
        Image.fromarray(pixels).save(path)

    def part(places, labels):
        files = tuple(paths[place] for place in places)
        made = ImagePart(np.array(labels, "int32"), 20, files=files)
        return in_memory(made) if decoded else made

    parts = {
        "train": part([0, 1, 2], [0, 0, 1]),
        "validation": part([2, 3, 1, 0], [1, 1, 0, 1]),
        "test": part([4, 5], [0, 1]),
    }
    (said,) = describe_copies(parts)
    assert said.startswith(
        "3 of 4 validation images are among the training images, too, 1 of "
        "them in another class: "
    )
    parts["validation"] = part([2], [1])
    assert describe_copies(parts)[0].startswith(
        "1 of 1 validation images are among the training images, too: "
    )
    del parts["validation"]
    assert describe_copies(parts) == []
