"""BlurPooling2D against loops over `np.pad`, and where it has to live."""

import numpy as np
import pytest
from keras import ops

from kerastl.layers import BlurPooling2D

TAPS = {
    1: [1],
    2: [1, 1],
    3: [1, 2, 1],
    4: [1, 3, 3, 1],
    5: [1, 4, 6, 4, 1],
    6: [1, 5, 10, 10, 5, 1],
    7: [1, 6, 15, 20, 15, 6, 1],
}
MODES = {"reflect": "reflect", "edge": "edge", "zeros": "constant"}


def blur_axis(x, axis, taps, strides, border, window=1, window_padding="valid"):
    """Weighted sums around every window centre, one output at a time."""
    size = x.shape[axis]
    if window_padding == "same":
        outputs = int(np.ceil(size / strides))
        total = max((outputs - 1) * strides + window - size, 0)
        first_pixel = -(total // 2)
    else:
        outputs = (size - window) // strides + 1
        first_pixel = 0
    margin = 30
    if border == "reflect" and size <= margin:
        margin = min(margin, size - 1)
    widths = [(0, 0)] * x.ndim
    widths[axis] = (margin, margin)
    padded = np.moveaxis(np.pad(x, widths, mode=MODES[border]), axis, 0)
    weights = np.array(TAPS[taps]) / sum(TAPS[taps])
    result = []
    for i in range(outputs):
        # The pixel at the centre of the window, or the one left of it.
        centre = i * strides + first_pixel + (window - 1) // 2
        start = margin + centre - (taps - 1) // 2
        window_pixels = padded[start : start + taps]
        result.append(np.tensordot(weights, window_pixels, axes=1))
    return np.moveaxis(np.stack(result), 0, axis)


def blur(x, taps, strides, border, window=1, window_padding="valid"):
    for axis in (1, 2):
        x = blur_axis(x, axis, taps, strides, border, window, window_padding)
    return x


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("taps", TAPS)
def test_values_for_all_strides_and_sizes(taps, border):
    for strides in (1, 2, 3):
        for size in ((8, 9), (13, 12)):
            x = np.random.default_rng(0).normal(size=(2, *size, 3))
            layer = BlurPooling2D(taps, strides, border)
            y = ops.convert_to_numpy(layer(x.astype("float32")))
            expected = blur(x, taps, strides, border)
            np.testing.assert_allclose(y, expected, atol=1e-6)
            assert layer.compute_output_shape(x.shape) == y.shape


@pytest.mark.parametrize("window_padding", ["valid", "same"])
@pytest.mark.parametrize("border", MODES)
def test_values_on_the_grid_of_a_window(border, window_padding):
    rng = np.random.default_rng(1)
    for taps in TAPS:
        for window in (2, 3, 5, 7):
            strides = int(rng.integers(1, 4))
            for size in ((10, 11), (13, 16)):
                x = rng.normal(size=(1, *size, 2))
                layer = BlurPooling2D(
                    taps, strides, border, window, window_padding
                )
                y = ops.convert_to_numpy(layer(x.astype("float32")))
                expected = blur(
                    x, taps, strides, border, window, window_padding
                )
                np.testing.assert_allclose(y, expected, atol=1e-6)
                assert layer.compute_output_shape(x.shape) == y.shape
