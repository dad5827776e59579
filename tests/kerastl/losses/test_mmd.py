import numpy as np
from keras import ops

from kerastl.losses.mmd import mmd


def kernel_mean(a, b):
    return np.mean([[np.exp(-np.mean((x - y) ** 2)) for y in b] for x in a])


def by_hand(a, b):
    return kernel_mean(a, a) + kernel_mean(b, b) - 2 * kernel_mean(a, b)


def test_value():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(7, 5)), generator.normal(1, 1, (4, 5))
    found = mmd(*(ops.convert_to_tensor(x, "float32") for x in (a, b)))
    np.testing.assert_allclose(float(found), by_hand(a, b), rtol=1e-5)


def test_a_set_and_itself():
    rows = np.random.default_rng(1).normal(5, 3, (6, 8)).astype("float32")
    assert abs(float(mmd(rows, rows))) < 1e-6
    assert abs(float(mmd(rows, rows[::-1].copy()))) < 1e-6


def test_nothing_is_nearer_than_the_same():
    """Rounding makes squares of large numbers negative."""
    rows = np.random.default_rng(3).normal(1e3, 100, (20, 64)).astype("float32")
    found = [float(mmd(row[None], -row[None])) for row in rows]
    assert max(found) <= 2
    assert max(found) > 1.9


def test_masks():
    generator = np.random.default_rng(2)
    a, b = generator.normal(size=(2, 6, 3)).astype("float32")
    first, second = (
        np.array(mask, "float32") for mask in ([1, 0, 1, 1, 0, 0], [0, 1] * 3)
    )
    found = mmd(a, b, first, second)
    expected = by_hand(a[first > 0], b[second > 0])
    np.testing.assert_allclose(float(found), expected, rtol=1e-5)
    assert float(mmd(a, b, np.zeros(6, "float32"), second)) == 0.0
