"""diagnose: a file against its Keras model, by the command line."""

import csv
import json

import pytest
from typer.testing import CliRunner

from kerastl_command_line.app import app

pytestmark = pytest.mark.tensorflow_only


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_diagnose_prints_and_writes_the_layers(finished_run, shapes, tmp_path):
    model = finished_run.output / "model.keras"
    table, picture = tmp_path / "layers.csv", tmp_path / "layers.svg"
    for file in ("model_int8.tflite", "model_int8.onnx"):
        arguments = ("diagnose", model, finished_run.output / file, shapes)
        more = ("--csv", table, "--plot", picture, "--overwrite")
        shown = call(*arguments, "--images", 4, *more)
        assert shown.exit_code == 0, shown.output
        assert max(map(len, shown.output.splitlines())) <= 80
        found = json.loads(call(*arguments, "--images", 4, "--json").stdout)
        worst = found["layers"][0]
        assert worst["layer"][-20:] in shown.output
        assert found["num_images"] == 4
        with table.open(encoding="utf-8") as stream:
            assert next(csv.DictReader(stream))["layer"] == worst["layer"]
        assert file in picture.read_text("utf-8")
    assert call("diagnose", "--help").exit_code == 0


def test_diagnose_refuses_files_that_do_not_belong_together(
    finished_run, shapes
):
    file = finished_run.output / "model_int8.tflite"
    refused = call("diagnose", file, file, shapes)
    assert refused.exit_code == 2
    assert "must be the Keras model" in " ".join(refused.output.split())


def test_where_it_cannot_write_is_said_before_the_work(tmp_path):
    (tmp_path / "there.svg").write_text("mine")
    for option, name, message in (
        ("--csv", "missing/layers.csv", "Create it first"),
        ("--csv", "layers.txt", "must end in '.csv'"),
        ("--plot", "there.svg", "exists already"),
    ):
        # Neither the model nor the file is there: nothing was read yet.
        refused = call(
            *("diagnose", "none.keras", "none.tflite", tmp_path),
            *(option, tmp_path / name),
        )
        assert refused.exit_code == 2
        assert message in " ".join(refused.output.split())
