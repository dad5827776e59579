import shutil

import numpy as np
import pytest

from kerastl import apps
from kerastl import export
from kerastl.apps.data.load_task import load_matching_images
from kerastl.apps.data.load_task import load_task

pytestmark = pytest.mark.tensorflow_only

OPTIONS = {"image_size": 16, "batch_size": 8, "seed": 3, "augment": "none"}


def test_digits_are_the_bundled_ones():
    data = load_task("digits", shots=None, **OPTIONS)
    expected = apps.load_digits_pair(3, 25, 16, batch_size=8).target
    assert data.class_names == list("56789")
    for part in ("train", "validation", "test"):
        for mine, theirs in zip(
            data.images(part), expected.images(part), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
    assert data.augmentation is None
    assert data.unlabelled is None


def test_digits_have_unlabelled_images_of_their_own():
    data = load_task("digits", shots=4, unlabelled=True, **OPTIONS)
    assert data.counts["train"] == dict.fromkeys("56789", 4)
    assert len(data.unlabelled) == 5 * 50
    with pytest.raises(ValueError, match="unlabelled='more'"):
        load_task("digits", shots=4, unlabelled="more", **OPTIONS)


def test_a_folder_of_that_name_comes_first(shapes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").symlink_to(shapes)
    data = load_task("digits", shots=2, **OPTIONS)
    assert data.class_names == ["circle", "cross", "square"]
    assert data.counts["train"] == {"circle": 2, "cross": 2, "square": 2}


def test_no_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="digitts"):
        load_task(tmp_path / "digitts", shots=2, **OPTIONS)


def test_a_folder_that_is_no_class_of_the_model_is_named(
    finished_run, shapes, tmp_path
):
    path = finished_run.output / "model.keras"
    photos = shutil.copytree(shapes, tmp_path / "photos")
    (photos / "cross").rename(photos / "crosses")
    with pytest.raises(ValueError, match="folder is no class of the") as error:
        load_matching_images(path, photos, export.load(path))
    text = str(error.value)
    assert "Did you mean 'cross'?" in text
    assert "some of circle, cross, square" in text
    assert "Received: folder='crosses'" in text
