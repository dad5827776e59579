"""How many examples are left out, and of which statistics."""

from types import SimpleNamespace

import numpy as np
import pytest

from kerastl.callbacks.sample_hiding import SampleHiding
from kerastl.data import SampleFilter
from kerastl.losses import PixelLevel
from kerastl.losses import SampleStatistics


@pytest.mark.parametrize(
    "whole, count, hidden",
    [
        (False, 0, 0),
        (False, 3, 3),
        # The last one stays.
        (False, 10, 9),
        (True, 3, 0),
        (True, 4, 4),
        (True, 7, 4),
        (True, 10, 8),
    ],
)
def test_how_many_are_hidden(whole, count, hidden):
    samples = SampleFilter(10)
    callback = SampleHiding(samples, np.int64(4), whole)
    assert (callback.batch_size, callback.whole_batches) == (4, whole)
    assert type(callback.batch_size) is int
    order = np.random.default_rng(0).permutation(10)[:count]
    found = callback.hide(order)
    np.testing.assert_array_equal(found, order[:hidden])
    assert set(np.flatnonzero(~samples.kept)) == set(order[:hidden])
    callback.on_train_begin()
    callback.on_train_end()
    assert samples.kept.all()


def test_the_statistics_of_as_many_examples():
    callback = SampleHiding(SampleFilter(10), 4, False)
    right = SampleStatistics(10)
    callback.set_model(SimpleNamespace(transfer_losses=[PixelLevel(), right]))
    assert callback.statistics() is right
    for terms, received in (([], r"\[\]"), ([SampleStatistics(9)], r"\[9\]")):
        callback.set_model(SimpleNamespace(transfer_losses=terms))
        with pytest.raises(
            ValueError, match=rf"SampleStatistics\(10\).*Received: {received}"
        ):
            callback.statistics()
    callback.set_model(SimpleNamespace())
    with pytest.raises(ValueError, match="SampleHiding chooses"):
        callback.statistics()
