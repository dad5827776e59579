import numpy as np
import pytest
import tensorflow as tf

from kerastl.export.refinement.streams import Levels

pytestmark = pytest.mark.tensorflow_only


@pytest.mark.parametrize(
    "low, high", [(-1.3, 2.7), (0.0, 6.0), (-4.0, -1.0), (0.5, 3.0)]
)
def test_rounds_as_tensorflow_does(low, high):
    values = np.random.default_rng(0).uniform(-5, 7, 500).astype("float32")
    expected = tf.quantization.fake_quant_with_min_max_args(
        values, min(low, 0.0), max(high, 0.0)
    )
    np.testing.assert_allclose(
        Levels.between(low, high).rounded(values), expected, atol=1e-5
    )


def test_bytes_are_their_own_levels():
    levels = Levels.between(0.0, 255.0)
    assert (levels.scale, levels.zero_point) == (1.0, 0)
    codes = np.arange(256, dtype="uint8")
    np.testing.assert_array_equal(levels.codes(levels.values(codes)), codes)


def test_a_tensor_of_zeros_stays_zero():
    values = np.zeros(4, "float32")
    np.testing.assert_array_equal(Levels.between(0.0, 0.0).rounded(values), 0)
