import numpy as np
import pytest
from keras import ops

from kerastl.layers import StochasticDepth


def draws(layer, x, count):
    return [ops.convert_to_numpy(layer(x, training=True)) for _ in range(count)]


def test_the_whole_batch_is_kept_or_not():
    x = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype("f4")
    results = draws(StochasticDepth(0.75, seed=1), x, 200)
    kept = [bool(np.any(result)) for result in results]
    assert 0.65 < np.mean(kept) < 0.85
    for result, is_kept in zip(results, kept, strict=True):
        np.testing.assert_allclose(result, is_kept * x / 0.75, rtol=1e-5)


def test_images_may_draw_for_themselves():
    x = np.ones((400, 2, 2, 1), "f4")
    (result,) = draws(StochasticDepth(0.5, per_image=True, seed=1), x, 1)
    each = result.reshape(400, -1)
    assert set(np.unique(each)) == {0, 2}
    assert (each == each[:, :1]).all()
    assert 0.4 < (each[:, 0] > 0).mean() < 0.6


def test_it_is_the_identity_in_inference():
    x = np.ones((2, 3), "f4")
    layer = StochasticDepth(0.5)
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(StochasticDepth(1.0)(x, training=True), x)
    assert layer.fold() is None


def test_a_dropped_branch_may_be_infinite():
    x = np.full((1, 2), np.inf, "f4")
    results = np.array(draws(StochasticDepth(0.5, seed=0), x, 20))
    assert set(np.unique(results)) == {0, np.inf}


@pytest.mark.parametrize("survival", [0, 1.5, "no"])
def test_bad_survival(survival):
    with pytest.raises(ValueError, match=f"survival={survival!r}"):
        StochasticDepth(survival)
