import json

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.export.targets.check import check
from kerastl.export.targets.op_table import TARGETS

pytestmark = pytest.mark.tensorflow_only


def test_the_int8_file_passes_everywhere(files, cnn):
    for target in TARGETS:
        report = check(files["int8"], target)
        assert report.passed, str(report)
        assert report.types == {"int8": sum(report.operators.values())}
        assert report.partitions == 1
        assert report.static_shapes
        assert report.size_bytes == files["int8"].stat().st_size
        assert report.multiply_adds == kerastl.count_multiply_adds(cnn)


@pytest.mark.parametrize(
    "scheme, target, problem",
    [
        ("float32", "full-int8", "CONV_2D in float32 has no kernel"),
        ("float32", "full-int8", "input 'serving_default_image:0' is float32"),
        ("float16", "tflite-micro", "DEQUANTIZE in float16 has no kernel"),
        ("dynamic", "tflite-micro", "cannot meet integer weights"),
        ("int16x8", "full-int8", "CONV_2D in int16 has no kernel"),
        ("int16x8", "xnnpack", "takes no part of the graph"),
    ],
)
def test_what_a_target_lacks_is_said(files, scheme, target, problem):
    report = check(files[scheme], target)
    assert not report.passed
    assert problem in " ".join(report.problems)
    assert "FAILED" in str(report)


def test_tflite_micro_itself_agrees(files, micro):
    """The verdicts are those of the runtime that they are about."""
    for scheme, path in files.items():
        report = check(path, "tflite-micro")
        try:
            interpreter = micro.Interpreter.from_file(
                str(path), arena_size=report.arena_bytes
            )
        except RuntimeError:
            assert not report.passed, scheme
            continue
        assert report.passed, scheme
        details = interpreter.get_input_details(0)
        interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
        interpreter.invoke()


def test_an_operator_outside_of_the_delegate_splits_the_graph(mirrored):
    report = check(mirrored, "xnnpack")
    assert report.partitions == 2
    assert report.outside == {"MIRROR_PAD": 1}
    assert report.problems[0].startswith("The delegate takes the graph in 2")
    assert report.missing == [
        {
            "operator": "MIRROR_PAD",
            "type": "float32",
            "count": 1,
            "reason": "not on the target's list",
        }
    ]


def test_a_dynamic_batch_fails_on_a_microcontroller(tmp_path):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3)(inputs))
    path = tmp_path / "dynamic.tflite"
    model.export(path, format="litert", verbose=False)
    report = check(path, "tflite-micro")
    assert not report.static_shapes
    assert "known at run time only" in " ".join(report.problems)


def test_a_larger_batch_fails_on_the_accelerator(tmp_path):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3)(inputs))
    path = tmp_path / "batch.tflite"
    signature = [keras.InputSpec("float32", shape=(2, 8, 8, 3))]
    model.export(
        path, format="litert", verbose=False, input_signature=signature
    )
    assert "batch of 2" in " ".join(check(path, "full-int8").problems)


def test_the_report_fits_a_terminal_and_json(files, mirrored):
    for path in (*files.values(), mirrored):
        for target in TARGETS:
            report = check(path, target)
            assert max(map(len, str(report).splitlines())) <= 80
            found = json.loads(json.dumps(report.to_dict()))
            assert found["passed"] is report.passed
            assert found["sources"][0]["date"].startswith("20")


def test_an_unknown_target_comes_with_the_nearest(files):
    with pytest.raises(ValueError, match="Did you mean 'tflite-micro'"):
        check(files["int8"], "tflite_micro")


def test_files_that_cannot_be_read(files, tmp_path):
    content = files["int8"].read_bytes()
    for part in (0, 6, 500, len(content) // 2):
        (tmp_path / "cut.tflite").write_bytes(content[:part])
        with pytest.raises(ValueError, match="corrupt or incomplete|is empty"):
            check(tmp_path / "cut.tflite")
    with pytest.raises(FileNotFoundError, match="There is no file"):
        check(tmp_path / "none.tflite")
    with pytest.raises(ValueError, match="ends in '.tflite'"):
        check(tmp_path / "model.onnx")
