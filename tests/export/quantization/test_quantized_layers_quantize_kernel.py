import keras
import numpy as np
import pytest

from kerastl.export.quantization.quantized_layers import quantize_kernel

pytestmark = pytest.mark.tensorflow_only

# A level of the first column is 0.1, of the second 10.
KERNEL = np.array([[12.7, 1270.0], [-0.14, 14.9], [0.26, -38.0]], "float32")


@pytest.mark.parametrize(
    "per_channel, expected",
    [
        (True, [[12.7, 1270.0], [-0.1, 10.0], [0.3, -40.0]]),
        (False, [[10.0, 1270.0], [0.0, 10.0], [0.0, -40.0]]),
    ],
)
def test_to_the_levels_of_a_channel_or_of_all(per_channel, expected):
    rounded = quantize_kernel(KERNEL, keras.layers.Dense(2), per_channel)
    np.testing.assert_allclose(rounded, expected, rtol=1e-5, atol=1e-4)


def test_the_layer_computes_in_its_own_precision():
    layer = keras.layers.Dense(2, dtype="mixed_float16")
    rounded = quantize_kernel(KERNEL, layer, per_channel=True)
    assert keras.backend.standardize_dtype(rounded.dtype) == "float16"
