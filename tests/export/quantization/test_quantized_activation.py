"""Functions as integer kernels compute them, against NumPy."""

import keras
import numpy as np
import pytest

from kerastl.export.quantization import quantized_activation as module
from kerastl.export.quantization.quantized_activation import QuantizedActivation
from kerastl.export.quantization.quantized_activation import apply_activation

pytestmark = pytest.mark.tensorflow_only

X = np.array([-9.0, -2.9, -1.0, -0.3, 0.0, 0.2, 1.0, 2.9, 7.0], "float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    "name, exact, scale, low, high",
    [
        ("sigmoid", sigmoid, 1 / 256, 0, 255 / 256),
        ("tanh", np.tanh, 1 / 128, -1, 127 / 128),
        (
            "hard_sigmoid",
            lambda x: np.clip(x / 6 + 0.5, 0, 1),
            1 / 255,
            0,
            1,
        ),
    ],
)
def test_values_lie_on_the_levels_that_the_kernels_fix(
    name, exact, scale, low, high
):
    found = np.asarray(apply_activation(name, X), "float64")
    expected = np.clip(exact(X.astype("float64")), low, high)
    np.testing.assert_allclose(found, expected, atol=0.5001 * scale)
    np.testing.assert_allclose(found / scale, np.rint(found / scale), atol=1e-3)
    assert found.max() == pytest.approx(high)
    assert found.min() == pytest.approx(low)


@pytest.mark.parametrize(
    "name, exact",
    [
        ("linear", lambda x: x),
        ("relu", lambda x: np.maximum(x, 0)),
        ("relu6", lambda x: np.clip(x, 0, 6)),
        ("hard_silu", lambda x: x * np.clip(x + 3, 0, 6) / 6),
        ("softmax", lambda x: np.exp(x) / np.exp(x).sum()),
    ],
)
def test_what_is_not_rounded_inside(name, exact):
    found = np.asarray(apply_activation(name, X[None]))[0]
    np.testing.assert_allclose(found, exact(X), rtol=1e-5, atol=1e-7)


def test_silu_multiplies_by_a_rounded_sigmoid():
    found = np.asarray(apply_activation("silu", X))
    gate = np.minimum(np.rint(256 * sigmoid(X)), 255) / 256
    np.testing.assert_allclose(found, X * gate, rtol=1e-5)
    assert np.abs(found - X * sigmoid(X)).max() > 1e-3


@pytest.mark.parametrize(
    "name, kind",
    [
        *((name, "fused") for name in ("linear", "relu", "relu6")),
        *(
            (name, "own")
            for name in (
                *("sigmoid", "hard_sigmoid", "tanh"),
                *("silu", "hard_silu", "softmax"),
            )
        ),
    ],
)
def test_a_kernel_of_its_own_reads_rounded_values(name, kind):
    assert name in module.SUPPORTED
    assert (name in module.FUSED) == (kind == "fused")
    inside = QuantizedActivation(name, quantize_input=True, name="a")
    assert (inside.input_quantizer is not None) == (kind == "own")
    alone = QuantizedActivation(name)
    assert alone.input_quantizer is None and alone.quantize_input is False
    assert QuantizedActivation().activation == "linear"
    config = inside.get_config()
    assert (config["activation"], config["quantize_input"]) == (name, True)


def test_the_input_is_rounded_to_what_was_seen():
    layer = QuantizedActivation("hard_silu", quantize_input=True)
    seen = np.array([[0.0, 255.0, 3.0]], "float32")
    layer(seen, training=True)
    found = np.asarray(layer(np.array([[1.4, 0.6, 300.0]], "float32")))
    # Levels of 1, up to 255: 1 -> 1 * 4 / 6, and above 3 the same number.
    np.testing.assert_allclose(found, [[2 / 3, 2 / 3, 255]], rtol=1e-5)


def test_half_precision_stays_so():
    keras.config.set_dtype_policy("mixed_float16")
    layer = QuantizedActivation("tanh")
    assert layer(np.ones((1, 2))).dtype == "float16"
