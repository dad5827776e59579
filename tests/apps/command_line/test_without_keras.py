"""What only runs a finished file does so where Keras cannot be imported."""

import json

import pytest
from typer.testing import CliRunner

from kerastl_command_line.app import app

pytestmark = pytest.mark.tensorflow_only

VERB = """
    import sys

    for name in (
        *("tensorflow", "keras", "tf_keras", "jax", "h5py", "tf2onnx"),
        *("sklearn", "matplotlib", "jinja2", "tensorflow_model_optimization"),
    ):
        sys.modules[name] = None
    from kerastl_command_line.app import main

    sys.argv[0] = "kerastl"
    main()
    """


@pytest.mark.parametrize("file", ["model_int8.tflite", "model_int8.onnx"])
def test_predict_and_evaluate(
    finished_run, shapes, run_in_new_interpreter, file
):
    file = finished_run.output / file
    photos = sorted(shapes.glob("*/03.png"))
    for arguments in (["predict", file, *photos], ["evaluate", file, shapes]):
        arguments = [*map(str, arguments), "--json"]
        found = json.loads(run_in_new_interpreter(VERB, *arguments))
        expected = json.loads(CliRunner().invoke(app, arguments).stdout)
        for timing in ("latency_ms", "latency_p90_ms", "runs"):
            assert (timing in found) == (timing in expected)
            found.pop(timing, None)
            expected.pop(timing, None)
        assert found == expected
    assert found["num_images"] == 45


def test_check_and_carray(finished_run, run_in_new_interpreter, tmp_path):
    file = finished_run.output / "model_int8.tflite"
    arguments = ["check", str(file), "--target", "tflite-micro", "--json"]
    found = json.loads(run_in_new_interpreter(VERB, *arguments))
    assert found == json.loads(CliRunner().invoke(app, arguments).stdout)
    assert found["passed"]
    for folder, call in (
        ("alone", lambda *rest: run_in_new_interpreter(VERB, *rest)),
        ("beside", lambda *rest: CliRunner().invoke(app, list(rest))),
    ):
        call("carray", str(file), "--output", str(tmp_path / folder))
    written = sorted(path.name for path in (tmp_path / "alone").iterdir())
    assert {"model_int8.h", "model_int8.cc"} <= set(written)
    for name in written:
        alone = (tmp_path / "alone" / name).read_text()
        assert alone == (tmp_path / "beside" / name).read_text()


def test_a_damaged_file_is_refused_as_with_keras(
    finished_run, shapes, run_in_new_interpreter, tmp_path
):
    torn = tmp_path / "torn.tflite"
    content = (finished_run.output / "model_int8.tflite").read_bytes()
    torn.write_bytes(content[:3000])
    photo = str(shapes / "circle" / "00.png")
    with pytest.raises(AssertionError, match="cannot be read as tflite"):
        run_in_new_interpreter(VERB, "predict", torn, photo)
