"""How far apart two arrays are, in decibels."""

import math

import numpy as np


def signal_to_noise(expected, found):
    """Returns the signal-to-quantization-noise ratio (SQNR) in decibels.

    `10 log10(sum(expected^2) / sum((found - expected)^2))`: 40 dB is an error
    of 1 % of the signal, 20 dB one of 10 %, and at 0 dB the error is as large
    as the signal.

    Args:
        expected: Exact values.
        found: Values with an error, of the same shape.

    Returns:
        The ratio; `inf` for equal arrays.
    """
    return decibels(power(expected), power(found - expected))


def power(values):
    """Returns the sum of squares, summed in double precision."""
    return float(np.square(values).sum(dtype="float64"))


def decibels(signal, noise):
    """Returns the ratio of two powers in decibels."""
    if not noise:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf
