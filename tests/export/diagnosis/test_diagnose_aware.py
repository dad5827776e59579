"""Files of quantization-aware networks, layer by layer."""

import keras
import numpy as np
import pytest

from kerastl import export

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def aware(net, images):
    with pytest.warns(UserWarning, match="stay in float.*: square"):
        return export.quantization_aware(net, calibration=images)


@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_errors_are_those_against_the_weights_without_rounding(
    format, net, aware, images, tmp_path
):
    path = tmp_path / f"aware.{format}"
    {"tflite": export.to_tflite, "onnx": export.to_onnx}[format](aware, path)
    # The network that has the same weights and was never quantized.
    expected = export.diagnose(net, path, images)
    found = export.diagnose(aware, path, images)
    assert [row.layer for row in found.layers] == [
        row.layer for row in expected.layers
    ]
    np.testing.assert_allclose(
        [row.sqnr for row in found.layers],
        [row.sqnr for row in expected.layers],
        rtol=1e-3,
    )
    layers = {row.layer for row in found.layers}
    assert {"backbone/stem_relu", "backbone/hard_swish", "head"} <= layers
    assert not any("quantizer" in name for name in layers)
    # Rounding to 8 bits costs a layer something, and none is lost.
    assert min(row.sqnr for row in found.layers) > 15
    [head] = [row for row in found.layers if row.layer == "head"]
    assert head.sqnr < 70


def test_a_trained_one_is_compared_with_its_own_weights(
    net, aware, images, tmp_path
):
    trained = keras.models.clone_model(aware)
    trained.set_weights(
        [
            w + 0.05 * np.sin(np.arange(w.size)).reshape(w.shape)
            if w.ndim == 4
            else w
            for w in aware.get_weights()
        ]
    )
    path = tmp_path / "trained.tflite"
    export.to_tflite(trained, path)
    own = export.diagnose(trained, path, images)
    other = export.diagnose(net, path, images)
    assert min(row.sqnr for row in own.layers) > 15
    assert min(row.sqnr for row in other.layers) < 15
