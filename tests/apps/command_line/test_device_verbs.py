"""predict, check, benchmark and carray: output and exit codes."""

import json

import pytest
from typer.testing import CliRunner

from kerastl.export.conversion import never_runs
from kerastl_command_line.app import app

pytestmark = pytest.mark.tensorflow_only


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def said(result):
    return " ".join(result.output.split())


def refused(result, message):
    assert message in said(result)
    assert "Traceback" not in result.output
    assert result.exit_code == 2, result.output


@pytest.fixture
def int8(finished_run):
    return finished_run.output / "model_int8.tflite"


@pytest.mark.parametrize("verb", ["predict", "check", "benchmark", "carray"])
def test_help_teaches_within_80_columns(verb):
    result = call(verb, "--help")
    assert result.exit_code == 0
    assert f"kerastl {verb} " in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_predict_prints_a_table_or_json(finished_run, shapes, int8):
    photo = shapes / "circle" / "00.png"
    table = call("predict", int8, photo)
    assert table.exit_code == 0, table.output
    found = json.loads(call("predict", int8, photo, "--json").stdout)
    assert found["format"] == "tflite"
    [prediction] = found["predictions"]
    assert prediction["image"] == str(photo)
    assert prediction["classes"][0]["class"] in table.output
    assert len(prediction["classes"]) == 3


def test_predict_refuses_what_is_no_image(int8, shapes, tmp_path):
    (tmp_path / "note.png").write_text("no image")
    refused(call("predict", int8, tmp_path / "note.png"), "cannot be used")
    refused(call("predict", int8, tmp_path / "none.png"), "no image file")
    (tmp_path / "torn.tflite").write_bytes(int8.read_bytes()[:3000])
    photo = shapes / "circle" / "00.png"
    refused(call("predict", tmp_path / "torn.tflite", photo), "cannot be read")


def test_check_passes_or_fails_with_exit_code_1(finished_run, int8, tmp_path):
    passed = call("check", int8, "--target", "tflite-micro")
    assert passed.exit_code == 0, passed.output
    assert "passed" in passed.output
    found = json.loads(call("check", int8, "--json").stdout)
    assert (found["passed"], found["target"]) == (True, "xnnpack")
    half = tmp_path / "half.tflite"
    exported = call(
        *("export", finished_run.output / "model.keras"),
        *("--scheme", "float16", "--output", half),
    )
    assert exported.exit_code == 0, exported.output
    failed = call("check", half, "--target", "tflite-micro")
    assert failed.exit_code == 1
    assert "DEQUANTIZE in float16 has no kernel" in said(failed)
    assert call("carray", half).exit_code == 1
    assert not half.with_suffix(".h").exists()


def test_a_target_that_cannot_run_the_file_leaves_none(
    finished_run, tmp_path, monkeypatch
):
    output = tmp_path / "half.tflite"
    arguments = ("export", finished_run.output / "model.keras")
    asked = ("--scheme", "float16", "--output", output)
    asked += ("--target", "tflite-micro")
    # Before the network is opened: it need not be there.
    refused(call("export", tmp_path / "none.keras", *asked), "has no float16")
    # What the target's table does not know of, when the file is made.
    monkeypatch.setitem(never_runs._NEVER, "tflite-micro", {})
    refused_by_target = call(*arguments, *asked)
    assert refused_by_target.exit_code == 1, refused_by_target.output
    assert "DEQUANTIZE in float16" in said(refused_by_target)
    assert list(tmp_path.iterdir()) == []
    refused(
        call(*arguments, "--output", output, "--target", "xnnpak"),
        "Did you mean 'xnnpack'?",
    )
    refused(
        call(
            *(*arguments, "--scheme", "float32", "--format", "onnx"),
            *("--target", "xnnpack"),
        ),
        "Targets run TFLite files",
    )


def test_check_refuses_bad_input(int8, finished_run, tmp_path):
    refused(
        call("check", int8, "--target", "tflite-mikro"),
        "Did you mean 'tflite-micro'?",
    )
    refused(call("check", finished_run.output / "model_int8.onnx"), ".tflite")
    (tmp_path / "torn.tflite").write_bytes(int8.read_bytes()[:3000])
    refused(call("check", tmp_path / "torn.tflite"), "corrupt")


def test_benchmark_prints_tables_or_json(int8):
    arguments = ("benchmark", int8, "--seconds", 0.05, "--threads", 1)
    table = call(*arguments)
    assert table.exit_code == 0, table.output
    assert "model_int8.tflite" in table.output
    [row] = json.loads(call(*arguments, "--json").stdout)["rows"]
    assert row["timings"][0]["threads"] == 1
    refused(call("benchmark", int8.with_name("none.tflite")), "no file")


def test_carray_writes_beside_or_into_a_folder(int8, tmp_path):
    result = call("carray", int8, "--output", tmp_path, "--name", "net")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "net.h").read_text()
    assert "net_labels[3]" in text
    assert (tmp_path / "net.cc").exists()
    again = call("carray", int8, "--output", tmp_path, "--name", "net")
    refused(again, "exists already")
    missing = tmp_path / "missing" / "folder"
    result = call("carray", int8, "--output", missing)
    assert result.exit_code == 0, result.output
    assert (missing / "model_int8.h").exists()
    file = tmp_path / "file"
    file.write_text("mine")
    refused(call("carray", int8, "--output", file), "file of that name")
    refused(call("carray", int8, "--output", file / "src"), "cannot be made")
    assert file.read_text() == "mine"


def test_carray_makes_a_project_of_a_folder(int8, tmp_path):
    refused(call("carray", int8, "--project"), "--output FOLDER")
    folder = tmp_path / "firmware"
    result = call("carray", int8, "--output", folder, "--project", "--json")
    assert result.exit_code == 0
    made = {str(each) for each in folder.rglob("*") if each.is_file()}
    assert set(json.loads(result.stdout)) == made
    assert str(folder / "platformio.ini") in made
