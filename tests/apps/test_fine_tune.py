import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl import export
from kerastl.apps.runs import train_aware
from kerastl.layers import BlurPooling2D

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.filterwarnings("ignore:The network starts from random"),
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
        "report.html",
        "report.json",
        "run.json",
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
    data = apps.load_image_folder(shapes, 16, augment=False)
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


def test_refuses_a_folder_that_is_in_use(finished_run, tiny_arguments):
    with pytest.raises(FileExistsError, match="--resume"):
        apps.fine_tune(**tiny_arguments, output=finished_run.output)


def test_resume_names_arguments_that_differ(finished_run, tiny_arguments):
    changed = {**tiny_arguments, "epochs": 5}
    with pytest.raises(ValueError, match="epochs was 2, is 5"):
        apps.fine_tune(
            **changed,
            method="ktft",
            antialias=3,
            output=finished_run.output,
            resume=True,
        )


def test_resume_adds_missing_exports_only(tiny_arguments, tmp_path):
    arguments = {**tiny_arguments, "epochs": 1, "output": tmp_path / "run"}
    arguments["exports"] = ["tflite:float32"]
    apps.fine_tune(**arguments)
    before = (tmp_path / "run" / "model.keras").stat().st_mtime_ns
    arguments["exports"] = ["tflite:float32", "onnx:float32"]
    result = apps.fine_tune(**arguments, resume=True)
    assert (tmp_path / "run" / "model.keras").stat().st_mtime_ns == before
    files = [row["file"] for row in result.report["exports"]]
    assert files == ["model_float32.tflite", "model_float32.onnx"]


def test_resume_adds_quantization_aware_training(
    finished_run, tiny_arguments, tmp_path
):
    output = shutil.copytree(finished_run.output, tmp_path / "run")
    before = (output / "model.keras").read_bytes()
    result = apps.fine_tune(
        **tiny_arguments,
        method="ktft",
        strength=0.5,
        antialias=3,
        qat=1,
        output=output,
        resume=True,
    )
    assert (output / "model.keras").read_bytes() == before
    assert (output / "history.json").read_bytes() == (
        finished_run.output / "history.json"
    ).read_bytes()
    assert result.report["aware"]["history"]["epoch"] == [1]
    assert finished_run.aware_model is None
    layers = {layer.name: layer for layer in result.aware_model.layers}
    for layer in finished_run.model.layers:
        assert isinstance(layers[layer.name], type(layer))
    sources = [row["network"] for row in result.report["exports"]]
    assert sources == ["model_aware.keras"] * 2
    for row in result.report["exports"]:
        name = row["file"]
        assert (output / name).read_bytes() != (
            finished_run.output / name
        ).read_bytes()


def test_known_classes_keep_the_head(finished_run, tiny_arguments, tmp_path):
    arguments = {
        **tiny_arguments,
        "weights": finished_run.output / "model.keras",
        "exports": [],
    }
    result = apps.fine_tune(
        **arguments,
        method="reestimate",
        antialias=3,
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
        pytest.raises(FloatingPointError, match="loss.* --resume"),
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
    with pytest.raises(ValueError, match="`learning_rate` must be larger"):
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
        "output": output,
        "resume": True,
    }
    monkeypatch.setattr(
        train_aware,
        "_RECIPE",
        dataclasses.replace(train_aware._RECIPE, learning_rate=1e30),
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
