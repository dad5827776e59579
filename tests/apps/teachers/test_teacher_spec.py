import pathlib

import keras
import pytest

from kerastl.apps.teachers.teacher_spec import read_teachers


@pytest.fixture
def files(tmp_path):
    for name in (
        "mobilenet_v2_0.35.weights.h5",
        "mine.weights.h5",
        "trained.keras",
        "run/model.keras",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_no_teacher():
    assert read_teachers(None) == []


def test_a_preset_takes_the_weights_of_imagenet():
    (spec,) = read_teachers("mobilenet_v2")
    assert (spec.preset, spec.weights) == ("mobilenet_v2", "imagenet")
    assert spec.arguments == {"alpha": 1.0}
    assert spec.label == "MobileNetV2"
    (spec,) = read_teachers("resnet50")
    assert spec.arguments == {}


def test_a_weights_file_tells_preset_and_width(files):
    file = files / "mobilenet_v2_0.35.weights.h5"
    for given in (file, str(file), f"mobilenet_v2:{file}"):
        (spec,) = read_teachers(given)
        assert spec.preset == "mobilenet_v2"
        assert pathlib.Path(spec.weights) == file
        assert spec.arguments == {"alpha": 0.35}
        assert spec.label == "MobileNetV2 0.35"
        assert spec.text == f"mobilenet_v2:{file}"


def test_networks_that_know_the_classes(files):
    trained, run = read_teachers(f"{files / 'trained.keras'}, {files / 'run'}")
    assert trained.model == files / "trained.keras"
    assert trained.label == "trained.keras"
    assert run.model == files / "run" / "model.keras"
    assert run.label == "run"
    model = keras.Sequential([keras.Input((3,))], name="big")
    (spec,) = read_teachers([model])
    assert spec.model is model
    assert (spec.label, spec.text) == ("big", "model big")


def test_a_path_may_hold_commas(tmp_path):
    path = tmp_path / "big, slow.keras"
    path.touch()
    (spec,) = read_teachers(str(path))
    assert spec.model == path


def test_what_names_nothing_is_refused(files):
    with pytest.raises(
        ValueError, match="'mobilenet_v2'.*teacher='mobilenet_v9'"
    ):
        read_teachers("mobilenet_v9")
    with pytest.raises(FileNotFoundError, match=r"no finished run.*no model"):
        read_teachers(files)
    with pytest.raises(
        FileNotFoundError, match=r"no weights file.*missing\.h5"
    ):
        read_teachers("mobilenet_v2:missing.h5")
    with pytest.raises(FileNotFoundError, match=r"no such file.*gone\.keras"):
        read_teachers(files / "gone.keras")
    with pytest.raises(ValueError, match=r"PRESET:FILE, such as mobilenet_v2:"):
        read_teachers(files / "mine.weights.h5")
    for nothing in ("", 3, [None], "resnet50,"):
        with pytest.raises(ValueError, match="is the name of a preset"):
            read_teachers(nothing)
