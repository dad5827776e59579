"""Choosing as a user does: photos in, a command line out."""

import json
import shlex

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from kerastl import apps
from kerastl_command_line.app import app

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder of weights: one network that is of use, and one that is not."""
    folder = tmp_path_factory.mktemp("choose") / "files"
    folder.mkdir()
    keras.utils.set_random_seed(0)
    for name, preset, arguments in (
        ("resnet8_notop.weights.h5", apps.ResNet8, {}),
        ("mobilenet_0.25_notop.weights.h5", apps.MobileNet, {"alpha": 0.25}),
    ):
        network = preset(
            weights=None,
            include_top=False,
            input_shape=(32, 32, 3),
            **arguments,
        )
        network.save_weights(folder / name)
    return folder


@pytest.mark.slow
def test_trials_choose_and_the_command_repeats_it(shapes, weights, tmp_path):
    choice = apps.choose(
        shapes,
        presets=["resnet8"],
        weights=weights,
        image_size=32,
        shots=8,
        epochs=2,
        minutes=5,
    )
    assert choice.trainings >= 2
    rows = choice.rows()
    assert rows[0]["method"] == choice.method
    # A standard error is taken off: the interval has 1.96 of them.
    sure = [r["gain_points"] - r["gain_interval"] / 1.96 for r in rows]
    assert sure == pytest.approx(sorted(sure, reverse=True))
    reference = choice.candidates[0]
    assert reference.method == "fine_tune"
    accuracy, photos = reference.accuracy()
    # Each fold is held out of 12 photos of 3 classes.
    assert photos == sum(map(len, reference.hits))
    assert accuracy == np.concatenate(reference.hits).mean()
    words = shlex.split(choice.command)
    assert words[:3] == ["kerastl", "finetune", str(shapes)]
    assert words[words.index("--method") + 1] == choice.method
    assert words[words.index("--shots") + 1] == "8"
    picture = tmp_path / "choice.svg"
    apps.draw_choice(choice, picture)
    assert "Accuracy to expect" in picture.read_text()
    ran = CliRunner().invoke(
        app,
        [*words[1:], "--epochs", "1", "--export", "none"]
        + ["--output", str(tmp_path / "run")],
        catch_exceptions=False,
    )
    assert ran.exit_code == 0, ran.output


def test_without_time_for_trials_looks_and_measurements_decide(shapes, weights):
    ran = CliRunner().invoke(
        app,
        ["choose", str(shapes), "--weights", str(weights), "--image-size", "32"]
        + ["--minutes", "0.001", "--json"],
        catch_exceptions=False,
    )
    assert ran.exit_code == 0, ran.output
    said = json.loads(ran.stdout)
    assert said["trainings"] == 0
    # Not even for a look at the second.
    assert [row["network"] for row in said["networks"]] == ["resnet8"]
    assert said["left_out"] == ["mobilenet 0.25"]
    assert 0 <= said["accuracy"] <= 1
    assert said["accuracy_interval"] > 0
    assert "resnet8" in said["command"]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--minutes", "0"], "minutes"),
        (["--preset", "resnet9"], "Did you mean 'resnet8'"),
        (["--weights", "missing"], "no such weights"),
        (["--preset", "vgg16"], "no weights at hand"),
        (["--alpha", "0.5"], "A width belongs to one file"),
    ],
)
def test_bad_input(shapes, weights, options, message):
    ran = CliRunner().invoke(
        app, ["choose", str(shapes), "--weights", str(weights), *options]
    )
    assert ran.exit_code == 2
    assert message in " ".join(ran.stderr.split())


def test_too_little_memory_is_told_before_the_photos_are_looked_at(
    shapes, weights, monkeypatch
):
    from kerastl.apps.data import check_memory

    monkeypatch.setattr(check_memory, "memory_limit", lambda: 2_000_000)
    with pytest.raises(ValueError, match="Training at this size.*image_size"):
        apps.choose(shapes, ["resnet8"], weights, image_size=32, minutes=0.01)


def test_a_plot_that_cannot_be_written_is_told_first(shapes, tmp_path):
    for plot in (tmp_path / "choice.png", tmp_path / "none" / "choice.svg"):
        said = CliRunner().invoke(
            app, ["choose", str(shapes / "none"), "--plot", str(plot)]
        )
        assert said.exit_code == 2
        assert plot.name in said.output.replace("\n", "")


def test_a_file_of_any_name_goes_with_one_preset(shapes, weights, tmp_path):
    path = tmp_path / "mine.weights.h5"
    path.write_bytes((weights / "mobilenet_0.25_notop.weights.h5").read_bytes())
    choice = apps.choose(
        shapes,
        presets="mobilenet",
        weights=path,
        alpha=0.25,
        image_size=32,
        minutes=0.001,
    )
    assert choice.network.label == "mobilenet 0.25"
    assert choice.network.parameters == 218_544


def test_a_network_without_widths_takes_a_file_of_any_name(
    shapes, weights, tmp_path
):
    path = tmp_path / "mine.weights.h5"
    path.write_bytes((weights / "resnet8_notop.weights.h5").read_bytes())
    choice = apps.choose(
        shapes, presets="resnet8", weights=path, image_size=32, minutes=0.001
    )
    assert choice.network.weights == ("resnet8", {}, path)


def test_a_file_under_another_networks_name_is_left_out(
    shapes, weights, tmp_path
):
    wrong = tmp_path / "resnet20_notop.weights.h5"
    wrong.write_bytes(
        (weights / "mobilenet_0.25_notop.weights.h5").read_bytes()
    )
    right = weights / "resnet8_notop.weights.h5"
    arguments = {"image_size": 32, "minutes": 0.001}
    choice = apps.choose(shapes, weights=[right, wrong], **arguments)
    assert [each.label for each in choice.networks] == ["resnet8"]
    with pytest.raises(ValueError):
        apps.choose(shapes, weights=wrong, **arguments)


def test_two_photos_in_a_class_and_photos_that_are_all_the_same(
    tmp_path, weights
):
    from PIL import Image

    for name, count in (("few", 3), ("many", 12)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(count):
            shade = (9, 9, 200 if name == "few" else 60)
            image = Image.new("RGB", (40, 40), shade)
            image.save(tmp_path / "photos" / name / f"{index}.png")
    choice = apps.choose(
        tmp_path / "photos",
        presets="resnet8",
        weights=weights,
        image_size=32,
        minutes=0.001,
    )
    accuracy, half = choice.expected()
    assert 0 <= accuracy <= 1
    assert half > 0


def test_auto_is_settled_once_and_told(shapes, weights, tmp_path):
    arguments = {
        "preset": "resnet8",
        "weights": weights / "resnet8_notop.weights.h5",
        "image_size": 32,
        "epochs": 1,
        "exports": [],
        "output": tmp_path / "run",
    }
    result = apps.fine_tune(shapes, **arguments)
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    method, reason = state["settled"]["method"]
    assert state["arguments"]["method"] == "auto"
    assert result.report["settings"]["method"] == method
    assert reason in result.report["summary"]["text"]
    # A later version may know more: a run that has begun keeps its method.
    state["settled"]["method"] = ["linear_probe", "It was chosen"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(state))
    arguments["exports"] = ["tflite:float32"]
    apps.fine_tune(shapes, **arguments, resume=True)
    again = json.loads((tmp_path / "run" / "run.json").read_text())
    assert again["settled"]["method"][0] == "linear_probe"
