import dataclasses
import io
import json
import shutil

import keras
import numpy as np
import pytest
import rich.console

from kerastl import apps
from kerastl import export
from kerastl.apps.runs import train_aware
from kerastl.apps.runs.epoch_checkpoint import EpochCheckpoint
from kerastl.layers import BlurPooling2D

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.filterwarnings("ignore:The network starts from random"),
    pytest.mark.filterwarnings("ignore:Only .* images in `calibration`"),
]


def test_a_run_leaves_what_it_promises(finished_run):
    names = {path.name for path in finished_run.output.iterdir()}
    assert names == {
        "MODEL_CARD.md",
        "class_means.npz",
        "examples",
        "history.csv",
        "history.json",
        "labels.txt",
        "model.keras",
        "model_int8.onnx",
        "model_int8.tflite",
        "predict.py",
        "report.html",
        "report.json",
        "run.json",
        "seen_photos.txt",
    }
    labels = (finished_run.output / "labels.txt").read_text().split()
    assert labels == ["circle", "cross", "square"]
    run = json.loads((finished_run.output / "run.json").read_text())
    assert run["status"] == "finished"
    assert run["arguments"]["method"] == "ktft"
    assert run["arguments"]["seed"] == 0
    assert run["versions"]["keras"] == keras.__version__
    assert run["versions"]["backend"] == "tensorflow"


def test_history_has_every_term_in_both_formats(finished_run):
    history = json.loads((finished_run.output / "history.json").read_text())
    assert history["epoch"] == [1, 2]
    terms = {"loss", "pixel_level", "global_level", "accuracy", "val_accuracy"}
    assert terms <= set(history)
    head, *rows = (finished_run.output / "history.csv").read_text().split()
    column = head.split(",").index("pixel_level")
    values = [float(row.split(",")[column]) for row in rows]
    assert values == pytest.approx(history["pixel_level"])
    # Half of the weight of 10 that both terms have in the table.
    for total, *terms in zip(
        *(history[name] for name in ("loss", "pixel_level", "global_level")),
        strict=True,
    ):
        assert 0 < total - 5 * sum(terms) < 3
    text = finished_run.report["summary"]["text"]
    assert "KTFT at 0.5 times its strength" in text


def test_the_model_is_plain_anti_aliased_and_thawed(finished_run):
    model = finished_run.model
    assert sum(isinstance(layer, BlurPooling2D) for layer in model.layers) == 4
    assert model.output_shape == (None, 3)
    assert all(layer.trainable for layer in model.layers)


def test_figures_are_those_of_the_files(finished_run, shapes):
    data = apps.load_image_folder(shapes, 16, augment="none")
    images, labels = data.images("validation")
    images = images.astype("float32")
    report = finished_run.report
    for row in [*report["exports"], {"file": "model.keras"}]:
        runner = export.load(finished_run.output / row["file"])
        right = runner.predict(images).argmax(-1) == labels
        expected = row.get(
            "accuracy", report["measures"]["rows"][-1]["accuracy"]
        )
        assert np.mean(right) == pytest.approx(expected)
    matrix = np.array(report["confusion"]["matrix"])
    assert matrix.sum() == len(labels)
    assert np.trace(matrix) == right.sum()


def test_a_network_that_does_not_fit_is_refused(
    tiny_arguments, tmp_path, monkeypatch
):
    from kerastl.apps.data import check_memory

    monkeypatch.setattr(check_memory, "memory_limit", lambda: 300_000)
    with pytest.raises(ValueError, match="Training at this size.*image_size="):
        apps.fine_tune(**tiny_arguments, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_names_of_every_kind_come_back(shapes, tiny_arguments, tmp_path):
    names = ["<b>|x*", "[red]x", "shirt $m$"]
    photos = shutil.copytree(shapes, tmp_path / "[red]photos")
    for old, new in zip(("circle", "cross", "square"), names, strict=True):
        (photos / old).rename(photos / new)
    said = io.StringIO()
    console = rich.console.Console(file=said, width=80)
    arguments = {**tiny_arguments, "data": photos, "epochs": 1}
    output = tmp_path / "run[m]"
    result = apps.fine_tune(**arguments, output=output, console=console)
    result.print(console)
    assert "run[m]" in said.getvalue()
    assert (output / "labels.txt").read_text().splitlines() == names
    for row in result.report["exports"]:
        assert export.read_metadata(output / row["file"]).class_names == names
    page = (output / "report.html").read_text()
    assert "&lt;b&gt;|x*" in page and "<b>|x*" not in page
    found = apps.predict(
        output / "model_int8.tflite", [photos / names[1] / "00.png"]
    )
    found.print(console)
    for name in names:
        assert name in said.getvalue()


def test_the_same_run_gives_the_same_bytes_also_when_resumed(
    finished_run, tiny_arguments, tmp_path, monkeypatch
):
    class Killed(Exception):
        pass

    def killed(self, epoch, logs=None):
        if epoch == 1:
            raise Killed

    arguments = {
        **tiny_arguments,
        "method": "ktft",
        "strength": 0.5,
        "antialias": 3,
        "blur_place": "after",
        "output": tmp_path / "run",
    }
    with monkeypatch.context() as patch:
        patch.setattr(EpochCheckpoint, "on_epoch_begin", killed)
        with pytest.raises(Killed):
            apps.fine_tune(**arguments)
    result = apps.fine_tune(**arguments, resume=True)
    for row in result.report["exports"]:
        assert (result.output / row["file"]).read_bytes() == (
            finished_run.output / row["file"]
        ).read_bytes()


def test_known_classes_keep_the_head(finished_run, tiny_arguments, tmp_path):
    # The weights alone: its blurs are put in anew.
    weights = tmp_path / "model.weights.h5"
    finished_run.model.save_weights(weights)
    labels = finished_run.output / "labels.txt"
    (tmp_path / "labels.txt").write_bytes(labels.read_bytes())
    arguments = {**tiny_arguments, "weights": weights, "exports": []}
    with pytest.warns(UserWarning, match="does not say how it was blurred"):
        result = apps.fine_tune(
            **arguments,
            method="reestimate",
            antialias=3,
            blur_place="after",
            output=tmp_path / "repaired",
        )
    labels = [row["label"] for row in result.report["measures"]["rows"]]
    assert labels[0] == "Before: as the weights came"
    assert labels[1] == "Blurred, not yet trained"
    head = result.model.layers[-1].get_weights()[0]
    known = finished_run.model.layers[-1].get_weights()[0]
    np.testing.assert_array_equal(head, known)


def test_reestimate_needs_a_head_that_knows(tiny_arguments, tmp_path):
    with pytest.raises(ValueError, match="trains nothing"):
        apps.fine_tune(
            **tiny_arguments, method="reestimate", output=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


def test_a_probe_moves_the_head_alone(tiny_arguments, tmp_path):
    source = apps.get_preset("resnet8").build(input_shape=(16, 16, 3))
    arguments = {**tiny_arguments, "weights": source, "exports": []}
    result = apps.fine_tune(
        **arguments, method="linear_probe", output=tmp_path / "run"
    )
    kernel = result.model.get_layer("stem").get_weights()[0]
    np.testing.assert_array_equal(
        kernel, source.get_layer("stem").get_weights()[0]
    )
    assert result.model.get_layer("stem").trainable


@pytest.mark.parametrize("rate", [100.0, 1e30])
def test_a_training_that_diverges(tiny_arguments, tmp_path, rate):
    output = tmp_path / "run"
    arguments = {**tiny_arguments, "output": output, "exports": []}
    with (
        pytest.warns(UserWarning, match="not finite|exploded"),
        pytest.raises(FloatingPointError, match="loss.*--resume"),
    ):
        apps.fine_tune(**arguments, learning_rate=rate)
    # Nothing of it is left to be taken for a result.
    assert not list(output.glob("*.keras"))
    for path in output.glob("*.json"):
        json.loads(path.read_text(), parse_constant=lambda name: 1 / 0)
    # With its own arguments it would go the same way, with others on.
    with pytest.raises(ValueError, match="epochs was 2, is 3"):
        apps.fine_tune(**{**arguments, "epochs": 3}, resume=True)
    result = apps.fine_tune(**arguments, learning_rate=0.01, resume=True)
    assert result.report["settings"]["learning_rate"] == 0.01
    assert result.report["history"]["epoch"] == [1, 2]
    # What is trained keeps its learning rate.
    with pytest.raises(ValueError, match="learning_rate was 0.01, is 0.1"):
        apps.fine_tune(**arguments, learning_rate=0.1, resume=True)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_a_learning_rate_that_is_none(tiny_arguments, tmp_path, rate):
    output = tmp_path / "run"
    with pytest.raises(ValueError, match="`learning_rate` must be a finite"):
        apps.fine_tune(**tiny_arguments, learning_rate=rate, output=output)
    assert not output.exists()


def test_a_quantization_aware_part_that_diverges(
    finished_run, tiny_arguments, tmp_path, monkeypatch
):
    output = shutil.copytree(finished_run.output, tmp_path / "run")
    before = {path: path.read_bytes() for path in output.glob("*.*")}
    arguments = {
        **tiny_arguments,
        "method": "ktft",
        "strength": 0.5,
        "antialias": 3,
        "blur_place": "after",
        "output": output,
        "resume": True,
    }
    monkeypatch.setattr(
        train_aware,
        "RECIPE",
        dataclasses.replace(train_aware.RECIPE, learning_rate=1e30),
    )
    with (
        pytest.warns(UserWarning, match="not finite"),
        pytest.raises(FloatingPointError, match="without .*--qat"),
    ):
        apps.fine_tune(**arguments, qat=2)
    assert not list(output.glob("*aware*"))
    for path, content in before.items():
        if path.name != "run.json":
            assert path.read_bytes() == content, path
    monkeypatch.undo()
    result = apps.fine_tune(**arguments)
    assert result.aware_model is None
