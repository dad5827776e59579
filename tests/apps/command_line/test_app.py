"""Exit codes and messages, above all those for bad input."""

import json
import runpy
import shutil

import pytest
from PIL import Image
from typer.testing import CliRunner

import kerastl
from kerastl.export import read_metadata
from kerastl_command_line.app import app

pytestmark = pytest.mark.tensorflow_only


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def finetune(photos, output, *more):
    return call(
        "finetune",
        photos,
        *("--preset", "resnet8", "--weights", "none", "--image-size", 16),
        *("--output", output, *more),
    )


def said(result):
    return " ".join(result.output.split())


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def own_shapes(shapes, tmp_path):
    return shutil.copytree(shapes, tmp_path / "shapes")


def refused(result, *messages, run=None):
    for message in messages:
        assert message in said(result)
    assert "Traceback" not in result.output
    assert result.exit_code == 2, result.output
    assert run is None or not run.exists()


def test_help_teaches_within_80_columns():
    for verb in ((), ("finetune",), ("export",), ("evaluate",)):
        result = call(*verb, "--help")
        assert result.exit_code == 0
        assert max(map(len, result.output.splitlines())) <= 80
    assert "--method ktft --antialias 3" in call("finetune", "-h").output


def test_without_a_verb_shows_the_verbs():
    assert "quickstart" in call().output


@pytest.mark.parametrize("verb", ["presets", "methods", "schemes"])
def test_tables_fit_and_have_json(verb):
    table = call(verb)
    assert table.exit_code == 0
    assert max(map(len, table.output.splitlines())) <= 80
    rows = json.loads(call(verb, "--json").stdout)
    for row in rows:
        assert next(iter(row.values())) in table.output


def test_unknown_names_come_with_the_nearest(shapes, run):
    refused(
        call("finetune", shapes, "--preset", "mobilenet_v22", "--output", run),
        "Did you mean 'mobilenet_v2'?",
        run=run,
    )
    refused(
        finetune(shapes, run, "--method", "ktf"),
        "Did you mean 'ktft'?",
        run=run,
    )
    refused(
        finetune(shapes, run, "--export", "tflite:int7"),
        "Did you mean 'int8'?",
        run=run,
    )
    refused(
        finetune(shapes, run, "--export", "onx:int8"),
        "Did you mean 'onnx'?",
        run=run,
    )


def test_folders_that_hold_no_task(own_shapes, tmp_path, run):
    refused(
        finetune(tmp_path / "nowhere", run),
        str(tmp_path / "nowhere")[:20],
        run=run,
    )
    (tmp_path / "empty").mkdir()
    refused(finetune(tmp_path / "empty", run), run=run)
    shutil.rmtree(own_shapes / "cross")
    shutil.rmtree(own_shapes / "square")
    refused(finetune(own_shapes, run), "class", run=run)


def test_fewer_images_than_shots(shapes, run):
    refused(
        finetune(shapes, run, "--shots", 50), "fewer than the shots", run=run
    )


def test_too_small_an_input(shapes, run):
    refused(
        call(
            *("finetune", shapes, "--weights", "none", "--image-size", 16),
            *("--output", run),
        ),
        "too small",
        run=run,
    )


def test_numbers_out_of_range(shapes, run):
    refused(finetune(shapes, run, "--epochs", 0), run=run)
    refused(finetune(shapes, run, "--learning-rate", -1), run=run)
    refused(finetune(shapes, run, "--antialias", 8), run=run)


def test_a_place_without_blurs(shapes, run):
    refused(
        finetune(shapes, run, "--blur-place", "kernel"), "--antialias", run=run
    )
    refused(
        finetune(shapes, run, "--antialias", 3, "--blur-place", "no"), run=run
    )


def test_weights_that_do_not_fit(shapes, finished_run, tmp_path, run):
    def with_weights(file):
        return call(
            *("finetune", shapes, "--preset", "resnet20", "--image-size", 16),
            *("--weights", file, "--output", run),
        )

    model = finished_run.output / "model.keras"
    refused(with_weights(model), "another architecture", run=run)
    refused(with_weights(tmp_path / "no.keras"), "does not exist", run=run)
    (tmp_path / "torn.weights.h5").write_bytes(model.read_bytes()[:999])
    refused(with_weights(tmp_path / "torn.weights.h5"), run=run)


def test_output_that_exists_or_cannot_be_made(shapes, tmp_path):
    (tmp_path / "photo.txt").write_text("mine")
    refused(finetune(shapes, tmp_path), "not empty")
    refused(finetune(shapes, tmp_path, "--resume"), "no run to resume")
    refused(finetune(shapes, tmp_path / "photo.txt" / "run"), "cannot be made")
    assert (tmp_path / "photo.txt").read_text() == "mine"


def test_export_without_what_it_needs(finished_run, tmp_path):
    model = finished_run.output / "model.keras"
    output = tmp_path / "model.tflite"
    refused(call("export", model, "--output", output), "sample images")
    refused(
        call("export", model, "--scheme", "flaot32", "--output", output),
        "Did you mean 'float32'?",
    )
    refused(call("export", tmp_path / "no.keras"), "no file")
    refused(
        call("export", model, "--scheme", "float32", "--output", tmp_path),
        "",
    )
    assert not output.exists()


def test_export_measures_on_photos(finished_run, shapes, tmp_path):
    model = finished_run.output / "model.keras"
    output = tmp_path / "small.onnx"
    result = call(
        *(
            "export",
            model,
            "--calibration",
            shapes,
            "--output",
            output,
            "--json",
        )
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["format"] == "onnx"
    assert report["scheme"] == "int8"
    assert report["reference"] == "evaluation"
    assert report["size_bytes"] == output.stat().st_size
    names = read_metadata(output).class_names
    assert names == ["circle", "cross", "square"]
    again = call("export", model, "--scheme", "float32", "--output", output)
    refused(again, "exists")


def test_a_gate_that_fails_is_exit_code_1(
    finished_run, shapes, tmp_path, monkeypatch
):
    from kerastl.export.conversion import pipeline

    def lose(report, _):
        report.keras_accuracy, report.accuracy_drop = 0.9, 0.4
        raise pipeline.AccuracyDropError(report, 0.01)

    monkeypatch.setattr(pipeline, "_check_drop", lose)
    output = tmp_path / "model.tflite"
    result = call(
        *("export", finished_run.output / "model.keras", "--output", output),
        *("--calibration", shapes, "--max-accuracy-drop", 0.01),
    )
    assert result.exit_code == 1, result.output
    assert "40.00 points" in said(result)
    assert not output.exists()


@pytest.mark.parametrize("name", ["model.keras", "model_int8.tflite"])
def test_evaluate_reads_every_kind(finished_run, shapes, name):
    result = call("evaluate", finished_run.output / name, shapes, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["num_images"] == 45
    assert found["class_names"] == ["circle", "cross", "square"]


def test_evaluate_refuses_what_it_cannot_read(finished_run, shapes, tmp_path):
    for name in ("model_int8.tflite", "model_int8.onnx", "model.keras"):
        torn = tmp_path / name
        torn.write_bytes((finished_run.output / name).read_bytes()[:2000])
        refused(call("evaluate", torn, shapes), "cannot be read")
    refused(call("evaluate", tmp_path / "no.tflite", shapes), "no file")
    (tmp_path / "model.bin").write_text("")
    refused(call("evaluate", tmp_path / "model.bin", shapes), "ends in")


def test_evaluate_matches_folders_by_name(finished_run, own_shapes):
    model = finished_run.output / "model_int8.tflite"
    whole = json.loads(call("evaluate", model, own_shapes, "--json").stdout)
    shutil.rmtree(own_shapes / "circle")
    part = json.loads(call("evaluate", model, own_shapes, "--json").stdout)
    assert part["confusion_matrix"][0] == [0, 0, 0]
    assert part["confusion_matrix"][1:] == whole["confusion_matrix"][1:]
    (own_shapes / "cross").rename(own_shapes / "crooss")
    refused(call("evaluate", model, own_shapes), "Did you mean 'cross'?")


def test_bad_files_are_named_in_the_report(own_shapes, run):
    (own_shapes / "cross" / "note.png").write_text("no image")
    Image.new("CMYK", (40, 40)).save(own_shapes / "cross" / "print.jpg")
    Image.new("LA", (40, 40)).save(own_shapes / "cross" / "grey.png")
    result = finetune(own_shapes, run, "--epochs", 1, "--export", "none")
    assert result.exit_code == 0, result.output
    assert "1 file skipped" in said(result)
    report = json.loads((run / "report.json").read_text())
    [(name, _)] = report["data"]["skipped"]
    assert name.endswith("note.png")
    assert "note.png" in (run / "report.html").read_text()


def test_debug_shows_the_traceback(shapes, run):
    result = finetune(shapes, run, "--method", "ktf", "--debug")
    assert isinstance(result.exception, ValueError)


def test_runs_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["kerastl", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("kerastl", run_name="__main__")
    assert not ended.value.code
    assert capsys.readouterr().out.strip() == kerastl.__version__


def test_help_loads_no_backend(run_in_new_interpreter):
    output = run_in_new_interpreter(
        """
        import sys
        sys.argv = ["bin/kerastl", "--help"]
        from kerastl_command_line.app import main
        try:
            main()
        except SystemExit:
            pass
        print({"tensorflow", "keras", "numpy"} & set(sys.modules))
        """
    )
    assert output.endswith("set()")


def test_the_command_loads_everything_when_needed(run_in_new_interpreter):
    output = run_in_new_interpreter(
        """
        import sys
        sys.argv = ["bin/kerastl", "schemes"]
        from kerastl_command_line.app import main
        try:
            main()
        except SystemExit:
            pass
        import kerastl
        print(kerastl.FineTuner.__name__, kerastl.apps.PRESETS["resnet8"].name)
        """
    )
    assert output.endswith("FineTuner resnet8")


def test_a_training_that_diverges(own_shapes, run):
    more = ("--epochs", 1, "--export", "none")
    result = finetune(own_shapes, run, *more, "--learning-rate", 1e30)
    assert result.exit_code == 1, result.output
    for words in ("not finite", "loss", "--resume", "--learning-rate"):
        assert words in said(result)
    assert said(result).count("Training stopped") == 1
    assert "Traceback" not in result.output
    assert not list(run.glob("*.keras"))


def test_a_learning_rate_that_is_no_number(own_shapes, run):
    result = finetune(own_shapes, run, "--learning-rate", "nan")
    refused(result, "learning", run=run)


@pytest.mark.parametrize("rate", ["inf", "0", "1e999"])
def test_a_learning_rate_that_is_none(own_shapes, run, rate):
    result = finetune(own_shapes, run, "--learning-rate", rate)
    # NaN is no number that the option takes, the others are refused later.
    words = ["--learning-rate"] if rate == "nan" else ["learning_rate"]
    refused(result, *words, run=run)
