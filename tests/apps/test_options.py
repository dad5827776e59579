"""The options of a training from the arguments to the files of a run."""

import inspect
import json
import shutil

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.data.image_data import ImageData
from kerastl.surgery import embed

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.filterwarnings("ignore:The network starts from random"),
    pytest.mark.filterwarnings("ignore:Only .* images in `calibration`"),
]

OPTIONS = {
    "augment": "strong",
    "label_smoothing": 0.1,
    "keep": "best",
    "patience": 1,
    "head_learning_rate": 3.0,
}


@pytest.fixture(scope="module")
def run(tiny_arguments, tmp_path_factory):
    arguments = {
        **tiny_arguments,
        **OPTIONS,
        "balance": True,
        "epochs": 3,
        "exports": [],
        "output": tmp_path_factory.mktemp("options") / "run",
    }
    return arguments, apps.fine_tune(**arguments)


def test_a_run_says_what_it_was_asked_for(run):
    _, result = run
    state = json.loads((result.output / "run.json").read_text())
    for name, value in OPTIONS.items():
        assert state["arguments"][name] == value
        assert result.report["settings"][name] == value
    card = (result.output / "MODEL_CARD.md").read_text()
    page = (result.output / "report.html").read_text()
    for text in (card, page):
        for said in (
            "label 0.1 was spread over all classes",
            "at 3 times the rate of the other layers",
            "of the validation images: its weights are kept",
            "which flatters the figures",
            "and blended in pairs (MixUp)",
            "head learning rate",
        ):
            assert said in text, said


def test_what_ships_is_the_epoch_that_was_the_best(run, shapes):
    _, result = run
    history, [kept] = result.report["history"], result.report["kept"]
    assert kept["epochs"] == len(history["epoch"])
    assert kept["accuracy"] == max(history["val_accuracy"])
    data = apps.load_image_folder(shapes, 16, augment="none")
    images, labels = data.images("validation")
    said = result.model.predict(images.astype("float32"), verbose=0)
    # `balance` takes nothing from classes that are even.
    assert np.mean(said.argmax(-1) == labels) == pytest.approx(kept["accuracy"])


@pytest.mark.parametrize(
    "name, value",
    [
        ("augment", "light"),
        ("label_smoothing", 0.2),
        ("keep", "last"),
        ("patience", None),
        ("head_learning_rate", 1.0),
    ],
)
def test_a_resumed_run_has_the_same_options(run, name, value):
    arguments, _ = run
    with pytest.raises(ValueError, match=f"other arguments: {name} was"):
        apps.fine_tune(**{**arguments, name: value}, resume=True)


def test_a_run_of_before_an_option_came_is_resumed(
    finished_run, tiny_arguments, tmp_path
):
    """A new version asks for no more than the old one was asked for."""
    output = shutil.copytree(finished_run.output, tmp_path / "run")
    state = json.loads((output / "run.json").read_text())
    defaults = inspect.signature(apps.fine_tune).parameters
    named = {*tiny_arguments, "method", "strength", "antialias"}
    dropped = state["arguments"].keys() & defaults.keys() - named
    # Some of these have a value although nobody gave one.
    assert {"augment", "soup", "keep", "head_learning_rate"} <= dropped
    assert "blur_place" in dropped
    for name in dropped:
        del state["arguments"][name]
    (output / "run.json").write_text(json.dumps(state))
    before = (output / "model.keras").read_bytes()
    asked = {**tiny_arguments, "method": "ktft", "antialias": 3}
    asked |= {"strength": 0.5, "output": output, "resume": True}
    # As it was of all runs before.
    asked["blur_place"] = "after"
    with pytest.raises(ValueError, match="keep was 'last', is 'best'"):
        apps.fine_tune(**asked, keep="best")
    apps.fine_tune(**asked)
    assert (output / "model.keras").read_bytes() == before


def test_without_validation_images_there_is_no_best_epoch(
    tiny_arguments, shapes, tmp_path
):
    loaded = apps.load_image_folder(shapes, 16, validation_split=0.2)
    data = ImageData(
        {"train": loaded.parts["train"], "test": loaded.parts["validation"]},
        loaded.class_names,
        16,
    )
    weights = apps.ResNet8(input_shape=(16, 16, 3), classes=3, weights=None)
    for asked, message in (
        ({"keep": "best"}, "best epoch"),
        ({"patience": 2}, "best epoch"),
        ({"learning_rate": [0.1, 0.2], "weights": weights}, "are averaged"),
    ):
        with pytest.raises(ValueError, match=f"{message}.*there are none"):
            apps.fine_tune(
                **{**tiny_arguments, "data": data, **asked},
                output=tmp_path / "run",
            )
    assert not (tmp_path / "run").exists()


def test_one_number_for_two_classes_is_not_mixed(tmp_path, shapes):
    network = apps.ResNet8(input_shape=(16, 16, 3), classes=2, weights=None)
    score = keras.layers.Dense(1, "sigmoid")(embed(network).output)
    keras.Model(network.inputs, score).save(tmp_path / "model.keras")
    photos = tmp_path / "photos"
    for name in ("circle", "cross"):
        (photos / name).mkdir(parents=True)
        for file in (shapes / name).iterdir():
            (photos / name / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ValueError, match="labels of two classes.*--keep-head"):
        apps.fine_tune(
            photos,
            preset="resnet8",
            weights=str(tmp_path / "model.keras"),
            image_size=16,
            keep_head=True,
            method="fine_tune",
            augment="cutmix",
            output=tmp_path / "run",
        )


def test_what_does_not_go_together_is_refused_at_once(tmp_path):
    for asked, message in (
        ({"method": "rifle", "patience": 2}, "draws weights anew"),
        ({"method": "tcr", "augment": "strong"}, "every single image"),
        ({"method": "ktft", "augment": "strng"}, "Did you mean 'strong'"),
        ({"weights": None, "keep": "average"}, "not of their average"),
        ({"learning_rate": [0.1, "x"]}, "`learning_rate` must be.*'x'"),
        ({"learning_rate": [0.1, 0.1]}, "several that differ"),
        ({"learning_rate": [0.1, 0.2, 0.3], "soup": 2}, "of its own"),
    ):
        with pytest.raises(ValueError, match=message):
            apps.fine_tune(tmp_path, output=tmp_path / "run", **asked)
    assert not (tmp_path / "run").exists()
