"""Our files in OpenVINO, the runtime of Intel's devices."""

import numpy as np
import pytest

from kerastl import export

openvino = pytest.importorskip("openvino")


def answers(path, images):
    """In float32: a processor with bfloat16 would round to it unasked."""
    model = openvino.Core().compile_model(
        str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return model(images)[model.output(0)]


def test_float_files_answer_as_the_network(
    cnn, evaluation, keras_probabilities, tmp_path
):
    onnx = export.to_onnx(cnn, tmp_path / "a.onnx", scheme="float32").path
    assert np.allclose(
        answers(onnx, evaluation[0]), keras_probabilities, atol=1e-5
    )
    tflite = export.to_tflite(cnn, tmp_path / "a.tflite", scheme="float32").path
    for image, expected in zip(
        evaluation[0][:5], keras_probabilities, strict=False
    ):
        assert np.allclose(answers(tflite, image[None]), expected, atol=1e-5)


def test_an_int8_file_names_the_same_classes(
    cnn, calibration, evaluation, tmp_path
):
    """With rounding of its own: OpenVINO rewrites what the file says."""
    path = export.to_onnx(
        cnn, tmp_path / "cnn.onnx", scheme="int8", calibration=calibration[0]
    ).path
    found = answers(path, evaluation[0])
    expected = export.load(path).classify(evaluation[0])
    assert np.abs(found - expected).mean() < 0.01
    # Where the file is not in doubt.
    top = np.sort(expected)[:, -2:]
    sure = top[:, 1] - top[:, 0] > 0.1
    assert sure.sum() > 20
    assert (found.argmax(-1) == expected.argmax(-1))[sure].all()
