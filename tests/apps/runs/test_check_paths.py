"""Paths of a run, and what must not be compared with itself."""

import os
import pathlib

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.runs.check_paths import check_is_outside
from kerastl.apps.runs.check_paths import check_paths

GIVEN = {
    "data": "photos",
    "weights": "imagenet",
    "unlabelled": None,
    "compare": None,
}


def test_texts_stay_as_they_were_written():
    given = {**GIVEN, "data": "photos/", "compare": "runs//a"}
    checked = check_paths({**given, "epochs": 3}, "runs/b")
    assert checked == {
        "data": "photos/",
        "weights": "imagenet",
        "compare": "runs//a",
    }


def test_other_paths_become_those_of_pathlib():
    class Entry:
        def __fspath__(self):
            return "more"

    checked = check_paths({**GIVEN, "unlabelled": Entry()}, "run")
    assert checked["unlabelled"] == pathlib.Path("more")
    assert (
        check_paths({**GIVEN, "unlabelled": np.True_}, "run")["unlabelled"]
        is True
    )


@pytest.mark.parametrize("name", ["data", "weights", "unlabelled", "compare"])
@pytest.mark.parametrize("value", [5, b"a", ["a"], ""])
def test_what_is_no_path_is_refused_before_the_run(name, value, tmp_path):
    with pytest.raises(ValueError, match=f"^`{name}` must be "):
        apps.fine_tune(
            **{"data": tmp_path, name: value}, output=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder of a run, where all the names below lead to."""
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    (run / "model.keras").write_bytes(b"")
    (tmp_path / "link").symlink_to(run)
    (tmp_path / "model.keras").symlink_to(run / "model.keras")
    monkeypatch.chdir(tmp_path)
    return run


@pytest.mark.parametrize(
    "compare",
    [
        "runs/mine",
        "runs/mine/",
        "runs/../runs/mine",
        "link",
        "link/model.keras",
        "model.keras",
        "runs/mine/model_int8.tflite",
    ],
)
@pytest.mark.parametrize("output", ["runs/mine", "link", "./runs/./mine"])
def test_a_run_is_not_compared_with_itself(run, compare, output):
    for path in (compare, pathlib.Path(compare), os.path.abspath(compare)):
        with pytest.raises(ValueError, match="with itself.*--compare.*--outpu"):
            check_paths({**GIVEN, "compare": path}, output)


@pytest.mark.parametrize(
    "compare", ["runs", "runs/other", "runs/mine/source/model.keras", "b.onnx"]
)
def test_others_may_be_compared_with(run, compare):
    checked = check_paths({**GIVEN, "compare": compare}, run)
    assert checked["compare"] == compare


def test_models_and_arrays_are_no_paths():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    data = apps.ImageData({}, ["a", "b"], 8)
    assert check_paths({**GIVEN, "data": data, "weights": model}, "run") == {}
    assert "weights" not in check_paths({**GIVEN, "weights": None}, "run")


def test_weights_are_looked_for_before_the_photos_are_read(tmp_path):
    """The photos of the run are a folder that cannot be read."""
    for weights, words in (
        (tmp_path / "gone.h5", "does not exist.*gone.h5"),
        ("imagnet", "Did you mean 'imagenet'.*weights='imagnet'"),
    ):
        with pytest.raises(FileNotFoundError, match=words):
            apps.fine_tune(tmp_path, weights=weights, output=tmp_path / "run")
    with pytest.raises(ValueError, match="is a folder.*Received: weights="):
        apps.fine_tune(tmp_path, weights=tmp_path, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def photos(tmp_path, monkeypatch):
    photos = tmp_path / "photos"
    (photos / "hat").mkdir(parents=True)
    (tmp_path / "link").symlink_to(photos)
    monkeypatch.chdir(photos)
    return photos


@pytest.mark.parametrize("name", ["data", "unlabelled"])
@pytest.mark.parametrize("path", [".", "../photos", "../link", "hat/.."])
@pytest.mark.parametrize(
    "output", ["runs/photos-auto", "hat/run", ".", "../link/run"]
)
def test_a_run_does_not_lie_among_its_photos(photos, name, path, output):
    with pytest.raises(ValueError, match=f"among.*--output.*: {name}="):
        check_is_outside({**GIVEN, name: path}, output)


@pytest.mark.parametrize("output", ["../runs/a", "..", "../photos-run"])
def test_a_run_may_lie_beside_or_above_its_photos(photos, output):
    check_is_outside({**GIVEN, "data": ".", "unlabelled": "hat"}, output)
    check_is_outside({**GIVEN, "unlabelled": True}, output)
    # No folder of that name: the bundled ones.
    check_is_outside({**GIVEN, "data": "digits"}, "digits/run")


def test_a_run_among_its_photos_is_not_begun(photos):
    with pytest.raises(ValueError, match="among the photos"):
        apps.fine_tune(photos, output=photos / "run")
    assert os.listdir(photos) == ["hat"]
