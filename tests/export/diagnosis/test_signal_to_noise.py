import math

import numpy as np
import pytest

from kerastl.export.diagnosis.signal_to_noise import signal_to_noise


def test_an_error_of_one_percent_is_forty_decibels():
    values = np.random.default_rng(0).normal(size=1000).astype("float32")
    assert signal_to_noise(values, 1.01 * values) == pytest.approx(40, abs=0.01)
    assert signal_to_noise(values, 0 * values) == pytest.approx(0)


def test_the_ends():
    values = np.ones(3, "float32")
    assert signal_to_noise(values, values) == math.inf
    assert signal_to_noise(0 * values, values) == -math.inf
    assert signal_to_noise(0 * values, 0 * values) == math.inf
