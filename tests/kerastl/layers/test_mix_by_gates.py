import keras
import numpy as np
import pytest

from kerastl.layers import MixByGates


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 5)])
@pytest.mark.parametrize("channels", [5, 1])
def test_chooses_by_image_and_channel(shape, channels):
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, *shape)).astype("float32")
    gates = generator.integers(0, 2, (2, channels)).astype("float32")
    mixed = MixByGates()([first, second, gates])
    for image in range(2):
        for channel in range(5):
            is_open = gates[image, min(channel, channels - 1)]
            np.testing.assert_array_equal(
                mixed[image, ..., channel],
                (first if is_open else second)[image, ..., channel],
            )


def test_half_precision_features_stay_half():
    layer = MixByGates(dtype="mixed_float16")
    x = np.ones((2, 3), "float32")
    mixed = layer([x, x, np.ones((2, 1), "float32")])
    assert keras.backend.standardize_dtype(mixed.dtype) == "float16"
