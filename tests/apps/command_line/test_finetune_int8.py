"""`kerastl finetune` with quantization-aware training and targets."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from kerastl import apps
from kerastl import export
from kerastl.export.conversion import never_runs
from kerastl_command_line.app import app

pytestmark = [pytest.mark.tensorflow_only, pytest.mark.slow]

INT8 = ("model_int8.tflite", "model_int8.onnx")
EXPORTS = "tflite:int8,onnx:int8,tflite:float16"


def finetune(photos, output, *more):
    arguments = (
        *("finetune", photos, "--preset", "resnet8", "--weights", "none"),
        *("--image-size", 16, "--epochs", 2, "--output", output, *more),
    )
    return CliRunner().invoke(app, [str(each) for each in arguments])


def said(result):
    return " ".join(result.output.split())


def read(run, name="report.json"):
    return json.loads((run / name).read_text())


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "aware"
    result = finetune(shapes, output, "--qat", 3, "--export", EXPORTS)
    assert result.exit_code == 0, result.output
    assert "2/2" in result.output
    assert "training a copy with int8 rounding" in result.output
    assert "3/3" in result.output
    return output


@pytest.fixture
def own_run(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


@pytest.mark.parametrize(
    "name",
    [INT8[0], pytest.param(INT8[1], marks=pytest.mark.exact_onnx_int8)],
)
def test_int8_files_are_the_aware_networks(run, shapes, name):
    data = apps.load_image_folder(shapes, 16, augment="none")
    images, labels = data.images("validation")
    seen, _ = data.images("train")

    def answers(name, images=images):
        return export.load(run / name).predict(images.astype("float32"))

    truth, aware = answers("model.keras"), answers("model_aware.keras")
    gap = answers("model.keras", seen) - answers("model_aware.keras", seen)
    assert np.abs(gap).max() > 1 / 256
    rows = {row["file"]: row for row in read(run)["exports"]}
    found, row = answers(name), rows[name]
    assert row["network"] == "model_aware.keras"
    assert row["num_calibration"] == 0
    assert np.abs(found - aware).mean() <= 1 / 256
    # What is lost is measured from the float network.
    assert row["max_abs_difference"] == pytest.approx(
        np.abs(found - truth).max(), abs=1e-5
    )
    accuracy = np.mean(truth.argmax(-1) == labels)
    assert row["keras_accuracy"] == pytest.approx(accuracy)
    assert row["accuracy_drop"] == pytest.approx(
        accuracy - np.mean(found.argmax(-1) == labels)
    )
    row = rows["model_float16.tflite"]
    assert row["network"] == "model.keras"
    assert row["max_abs_difference"] < 2e-3


def test_both_parts_are_told_apart(run):
    history, further = (
        read(run, "history.json"),
        read(run, "history_aware.json"),
    )
    assert (history["epoch"], further["epoch"]) == ([1, 2], [1, 2, 3])
    assert "pixel_level" in set(further) - set(history)
    head = (run / "history_aware.csv").read_text().splitlines()[0]
    assert head.split(",") == list(further)
    origins = (
        "Written from model_aware.keras: model_int8.tflite, model_int8.onnx. "
        "Written from model.keras: model_float16.tflite."
    )
    page = (run / "report.html").read_text()
    assert origins in page
    assert '<section id="aware">' in page
    card = (run / "MODEL_CARD.md").read_text()
    assert origins in card
    assert "| model_aware.keras |" in card
    assert "trained 3 more epochs with their rounding" in card
    report = read(run)
    assert report["settings"]["qat"] == 3
    metrics = export.read_metadata(run / INT8[0]).metrics
    assert metrics["keras_accuracy"] == report["reference"]["accuracy"]
    assert not list(run.glob("checkpoint*"))


def test_a_finished_run_has_nothing_left_to_do(own_run, shapes):
    before = {path: path.stat().st_mtime_ns for path in own_run.glob("model*")}
    again = finetune(
        *(shapes, own_run, "--qat", 3, "--export", EXPORTS, "--resume")
    )
    assert again.exit_code == 0, again.output
    assert "no file was missing" in again.output
    assert "training a copy" not in again.output
    for path, time in before.items():
        assert path.stat().st_mtime_ns == time
    without = finetune(shapes, own_run, "--resume")
    assert without.exit_code == 2
    assert "qat was 3, is None" in said(without)


def test_a_target_refuses_files_and_keeps_the_others(
    own_run, shapes, monkeypatch
):
    # As if it ran such files of some networks, and not of this one.
    monkeypatch.setitem(never_runs._NEVER, "tflite-micro", {})
    half = own_run / "model_float16.tflite"
    assert half.exists()
    refused = finetune(
        *(shapes, own_run, "--qat", 3, "--export", "int8,float16"),
        *("--resume", "--target", "tflite-micro"),
    )
    assert refused.exit_code == 1, refused.output
    assert "refused model_float16.tflite" in said(refused)
    assert "DEQUANTIZE in float16 has no kernel" in said(refused)
    assert not half.exists()
    rows = {row["file"]: row for row in read(own_run)["exports"]}
    assert set(rows) == set(INT8)
    assert rows["model_int8.tflite"]["target"] == "tflite-micro"
    assert rows["model_int8.tflite"]["network"] == "model_aware.keras"
    assert rows["model_int8.onnx"]["target"] is None
    assert half.name not in (own_run / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--qat", 2, "--export", "tflite:float16"), "for the int8 files"),
        (("--qat", 2, "--export", "none"), "for the int8 files"),
        (("--qat", 0), "'--qat'"),
        (("--qat", -3), "'--qat'"),
        (("--target", "tflite-mikro"), "Did you mean 'tflite-micro'?"),
        (("--target", "xnnpack", "--export", "onnx:int8"), "run TFLite files"),
        (("--target", "tflite-micro", "--export", "float16"), "no float16"),
    ],
)
def test_what_cannot_be_is_said_before_the_training(
    shapes, tmp_path, arguments, message
):
    result = finetune(shapes, tmp_path / "run", *arguments)
    assert result.exit_code == 2, result.output
    assert message in said(result)
    assert "Traceback" not in result.output
    assert not (tmp_path / "run").exists()
