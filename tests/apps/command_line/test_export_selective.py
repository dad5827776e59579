"""export --keep-float: int8 files with layers in float, by the command line."""

import json

import pytest
from typer.testing import CliRunner

from kerastl.export.diagnosis.examine import read_tflite
from kerastl_command_line.app import app

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture
def export(finished_run, shapes):
    def call(*more):
        arguments = ("export", finished_run.output / "model.keras", *more)
        return CliRunner().invoke(app, [str(each) for each in arguments])

    return call


def test_named_layers_are_kept(export, shapes, tmp_path):
    output = tmp_path / "model.tflite"
    arguments = ("--calibration", shapes, "--output", output)
    shown = export(
        *arguments, "--keep-float", "head", "--max-accuracy-drop", 0.9
    )
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.output.splitlines())) <= 80
    floats = [each.is_float for each in read_tflite(output).tensors]
    counts = f"In float: head ({sum(floats)} of {len(floats)} operators)"
    assert counts in " ".join(shown.output.split())
    assert 0 < sum(floats) < len(floats)


def test_nothing_is_kept_where_int8_is_good_enough(export, shapes, tmp_path):
    output = tmp_path / "model.tflite"
    result = export(
        *("--calibration", shapes, "--output", output, "--json"),
        *("--keep-float", "auto", "--max-accuracy-drop", 0.9),
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["layers"] == []
    assert report["max_accuracy_drop"] == 0.9
    assert [each["num_layers"] for each in report["frontier"]] == [0]
    assert report["export"]["size_bytes"] == output.stat().st_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scheme", "float16"), "scheme='float16'"),
        ((), "photos=None"),
        (("--calibration", ".", "--target", "xnnpack"), "target='xnnpack'"),
    ],
)
def test_is_refused_where_it_means_nothing(
    export, arguments, message, tmp_path
):
    output = tmp_path / "model.tflite"
    result = export("--keep-float", "auto", "--output", output, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not output.exists()
