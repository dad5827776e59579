"""Integers that are exact multiples of a fixed blur kernel."""

import numpy as np

from kerastl.layers import blur_grid

_LARGEST = 127
_SIZES = range(2, 7)
# What rounding moves a level by at most.
_ROUNDED = 0.5 + 1e-6


def exact_blur(kernel_size):
    """Returns a blur kernel as int8 levels, with their scale.

    A converter makes the largest tap 127, and the others come out between two
    integers: three taps then sum to 1.0059 and four to 0.9966, a gain that
    every blur of a network repeats. With the largest multiple that fits, the
    sum is 1: 31/496 of 1 2 1, 14/896 of 1 3 3 1, 3/768 of 1 4 6 4 1.

    Args:
        kernel_size: Pair of taps (vertical, horizontal).

    Returns:
        `(levels, scale)`, an int8 array of that shape and a float; `None`
        where no multiple fits, as with seven taps.
    """
    rows, columns = (
        np.asarray(blur_grid.binomial(taps)) * 2 ** (taps - 1)
        for taps in kernel_size
    )
    levels = np.outer(rows, columns)
    multiple = _LARGEST // int(levels.max())
    if not multiple:
        return None
    levels *= multiple
    return levels.astype("int8"), 1 / float(levels.sum())


def match_blur(levels):
    """Returns the exact kernel that rounded `levels` stand for, or `None`.

    Args:
        levels: int8 array `(rows, columns, channels)`. A channel may be
            negative: a BatchNormalization with such a factor was folded in.

    Returns:
        `(levels, factors)`: the exact int8 levels, and for each channel the
        factor to multiply its scale with.
    """
    rows, columns, _ = levels.shape
    if rows == columns == 1 or not {rows, columns} <= {1, *_SIZES}:
        return None
    found = exact_blur((rows, columns))
    if found is None:
        return None
    exact = found[0].astype("float64")
    # A level is the exact value rounded, and largest where the scale is set.
    largest = np.abs(levels).max((0, 1)).astype("float64")
    signs = np.sign(levels.astype("int64").sum((0, 1)))
    rounded = signs * exact[:, :, None] * (largest / exact.max())
    if not largest.min() or np.abs(rounded - levels).max() > _ROUNDED:
        return None
    exact_levels = (signs * exact[:, :, None]).astype("int8")
    return exact_levels, largest / exact.max()
