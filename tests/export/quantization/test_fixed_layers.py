"""Constant kernels on their levels, and the bounds of their scales."""

import keras
import numpy as np
import pytest

from kerastl.export.quantization.fixed_layers import FixedBlur
from kerastl.export.quantization.fixed_layers import FixedKernel
from kerastl.export.quantization.fixed_layers import FixedRange
from kerastl.export.quantization.fixed_layers import _not_uniform
from kerastl.export.quantization.fixed_layers import rounded_constant

pytestmark = pytest.mark.tensorflow_only


def test_a_range_has_256_levels_and_zero_is_one():
    layer = FixedRange(-0.9, 254.2)
    low, high = layer.range
    # 255 steps of 255.1 / 255, the first of them below zero.
    step = 255.1 / 255
    assert (low, high) == pytest.approx((-step, 254 * step), rel=1e-6)
    x = np.array([-7.0, -0.4, 0.6, 3.49, 999.0], "float32")
    np.testing.assert_allclose(
        layer(x), np.array([-1, 0, 1, 3, 254]) * step, rtol=1e-5
    )
    assert layer.compute_output_shape((3, 4)) == (3, 4)


@pytest.mark.parametrize(
    "scales, bias, input_scale, expected",
    [
        ([0.5, 0.25], None, None, [0.5, 0.25]),
        ([0.5, 0.25], [8.0, -9.0], 1.0, [0.5, 0.25]),
        # Half of 32 bits hold a bias in units of both scales.
        ([0.5, 1e-9], [0.0, -4.0], 2.0**-20, [0.5, 4.0 * 2**-10]),
        ([1e-9, 1e-9], [2.0, -4.0], 2.0**-20, [2.0**-9, 2.0**-8]),
        (1e-9, [2.0, -4.0], 2.0**-20, 2.0**-8),
        # Where the input is not rounded, its scale is taken to be 1e-4.
        (1e-9, [2.0**30, 1.0], None, 1e4),
        (0.0, None, None, float(np.finfo("float32").tiny) * 1e6),
    ],
)
def test_scales_leave_room_for_the_bias(scales, bias, input_scale, expected):
    kernel = np.ones((3, 2))
    layer = FixedKernel(
        "dense", kernel, np.array(scales), bias, input_scale=input_scale
    )
    np.testing.assert_allclose(layer.scales, expected, rtol=1e-6)
    assert layer.scales.dtype == layer.kernel.dtype == np.float32


def test_a_bias_of_one_value_is_moved_by_its_last_bit():
    same = np.float32([0.3, 0.3, 0.3])
    found = _not_uniform(same)
    assert found[0] == np.nextafter(np.float32(0.3), np.float32(1))
    np.testing.assert_array_equal(found[1:], same[1:])
    np.testing.assert_array_equal(same, np.float32([0.3] * 3))
    for other in ([0.3, 0.4], [0.0, 0.0], [0.3]):
        np.testing.assert_array_equal(
            _not_uniform(np.float32(other)), np.float32(other)
        )


KERNEL = np.float32([[1.27, -127.0], [0.004, 0.6], [-2.0, 130.0]])
SCALES = np.float32([0.01, 1.0])
# In steps of 0.01 and of 1, of which 127 are on each side of zero.
ROUNDED = np.array([[1.27, -127], [0, 1], [-1.27, 127]])
X = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")


@pytest.mark.parametrize("bias", [None, np.array([0.5, -2.0])])
@pytest.mark.parametrize("kind", ["dense", "conv", "depthwise"])
def test_kernels_are_rounded_to_their_levels(kind, bias):
    kernel, x, options = KERNEL, X, {"strides": 1, "padding": "valid"}
    if kind == "conv":
        kernel, x = kernel[None, None], x[:, None, None]
    elif kind == "depthwise":
        # A column of three, on two channels.
        kernel = kernel.reshape(3, 1, 2, 1)
        x = np.repeat(x[:, :, None, None], 2, axis=-1)
    else:
        options = {}
    layer = FixedKernel(kind, kernel, SCALES, bias, name="a", **options)
    expected = X @ ROUNDED + (0 if bias is None else bias)
    found = keras.ops.convert_to_numpy(layer(x)).reshape(2, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_one_scale_for_all():
    found = np.asarray(rounded_constant(KERNEL, np.float32(1.0)))
    np.testing.assert_allclose(found, [[1, -127], [0, 1], [-2, 127]], rtol=1e-6)


@pytest.mark.parametrize("taps, scale", [(3, 1 / 496), (4, 1 / 896), (7, None)])
def test_a_blur_has_levels_that_are_exact_multiples(taps, scale):
    blur = FixedBlur(taps, strides=1, name="blur")
    x = np.random.default_rng(0).normal(size=(1, 9, 9, 2)).astype("float32")
    blur.build(x.shape)
    fixed = blur.fixed_kernel(2)
    row = np.poly1d([1, 1]) ** (taps - 1)
    kernel = np.outer(row.c, row.c) / 4.0 ** (taps - 1)
    np.testing.assert_allclose(fixed.kernel[:, :, 1, 0], kernel, rtol=1e-6)
    assert fixed.kernel.shape == (taps, taps, 2, 1)
    expected = kernel.max() / 127 if scale is None else scale
    np.testing.assert_allclose(fixed.scales, [expected] * 2, rtol=1e-6)
    gain = np.asarray(blur(np.ones_like(x)))
    np.testing.assert_allclose(gain, 1, rtol=1e-5 if scale else 0.1)
    plain = super(FixedBlur, blur).call(x)
    np.testing.assert_allclose(blur(x), plain, atol=0.01)
