import numpy as np
import pytest

from kerastl.losses.batch_mean import batch_mean

VALUES = np.array([1.0, 2.0, 6.0], "float32")


def test_as_keras_takes_it():
    """Over the batch, not over the sum of the weights."""
    assert float(batch_mean(VALUES)) == 3.0
    for weights in ([2.0, 0.0, 3.0], [[2.0], [0.0], [3.0]], [2, 0, 3]):
        found = batch_mean(VALUES, np.array(weights))
        assert float(found) == pytest.approx((2 * 1 + 3 * 6) / 3)
