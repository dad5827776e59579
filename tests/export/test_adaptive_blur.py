"""A content-adaptive blur in every file that a device runs."""

import keras
import numpy as np
import pytest

from kerastl.export import load
from kerastl.export import to_onnx
from kerastl.export import to_tflite
from kerastl.layers import AdaptiveBlurPooling2D

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def model(cnn_builder):
    keras.utils.set_random_seed(3)
    blur = AdaptiveBlurPooling2D(3, groups=4, name="blur")
    model = cnn_builder(middle=blur)
    # Filters that differ from place to place.
    blur.normalization.gamma.assign(np.full(36, 0.5))
    # Predictions that differ from image to image.
    kernel = model.get_layer("head").kernel
    kernel.assign(50 * kernel)
    return model


@pytest.mark.parametrize(
    ("write", "scheme", "tolerance"),
    [
        (to_tflite, "float32", 1e-5),
        (to_tflite, "int8", 0.02),
        (to_onnx, "float32", 1e-5),
        (to_onnx, "int8", 0.02),
    ],
)
def test_the_file_says_what_the_network_says(
    model, write, scheme, tolerance, calibration, evaluation, tmp_path
):
    ending = "tflite" if write is to_tflite else "onnx"
    path = tmp_path / f"model.{ending}"
    write(model, path, scheme, calibration=calibration, evaluation=evaluation)
    images = evaluation[0][:16]
    expected = model.predict(images, verbose=0)
    assert np.ptp(expected, axis=0).max() > 0.08
    np.testing.assert_allclose(
        load(path).predict(images), expected, atol=tolerance
    )
