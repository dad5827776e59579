"""Where a blur samples its map: the arithmetic of one axis."""

import math


def window_offset(window_size, same_padding):
    """First centre of a pooling window, and its distance from pixel 0.

    For an even window the pixel left of the centre. `same_padding` is what
    Keras pads on the left of the map: `left_padding` for `padding="same"`.
    """
    return (window_size - 1) // 2 - same_padding


def left_padding(size, window_size, strides):
    """What Keras pads on the left of `size` pixels with `padding="same"`."""
    outputs = -(-size // strides)
    return max((outputs - 1) * strides + window_size - size, 0) // 2


def output_size(size, strides, window_size, window_padding):
    """Number of outputs of a pooling or convolution on `size` pixels."""
    if window_padding == "same":
        return -(-size // strides)
    return (size - window_size) // strides + 1


def blur_padding(size, kernel_size, strides, window_size, window_padding):
    """Pixels to add on both sides of `size` pixels before a strided blur.

    Args:
        size: pixels of the axis.
        kernel_size: taps of the blur.
        strides: distance of two outputs.
        window_size: window whose sampling grid the blur keeps.
        window_padding: `"valid"` or `"same"`, the padding of that window.

    Returns:
        A tuple `(before, after)`; pixels are cropped where it is negative. No
        pixel is added that no output reads.
    """
    same_padding = 0
    if window_padding == "same":
        same_padding = left_padding(size, window_size, strides)
    before = (kernel_size - 1) // 2 - window_offset(window_size, same_padding)
    outputs = output_size(size, strides, window_size, window_padding)
    read = (outputs - 1) * strides + kernel_size
    after = read - size - before
    # Pixels past the last one read need not be cropped when they are too few
    # to make one more output.
    if after < 0:
        after = min(0, after + strides - 1)
    return before, after


def reflects(size, before, after):
    """Whether `size` pixels are enough to be padded by reflection."""
    return size > max(before, after)


def binomial(kernel_size):
    """One row of Pascal's triangle that sums to one."""
    row = [math.comb(kernel_size - 1, i) for i in range(kernel_size)]
    return [tap / 2 ** (kernel_size - 1) for tap in row]
