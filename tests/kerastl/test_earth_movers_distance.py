import itertools

import numpy as np
import pytest

from kerastl.earth_movers_distance import earth_movers_distance


def test_earth_movers_distance_by_trying_all():
    """With as many equal shares, the optimum is a permutation."""
    generator = np.random.default_rng(0)
    source, target = generator.normal(size=(2, 5, 3))
    share = np.full(5, 0.2)
    best = min(
        np.linalg.norm(source - target[list(order)], axis=1).mean()
        for order in itertools.permutations(range(5))
    )
    found = earth_movers_distance(source, target, share, share)
    assert found == pytest.approx(best)
    again = earth_movers_distance(target, source, share, share)
    assert again == pytest.approx(best)


def test_earth_movers_distance_on_a_line():
    """There it is the area between the two cumulative sums."""
    generator = np.random.default_rng(1)
    places = np.arange(7.0)[:, None]
    one, other = generator.dirichlet(np.ones(7), 2)
    area = np.abs(np.cumsum(one - other)).sum()
    found = earth_movers_distance(places, places, one, other)
    assert found == pytest.approx(area)


def test_shares_that_do_not_fit():
    with pytest.raises(ValueError, match="1 source and 1 target"):
        earth_movers_distance([[0.0]], [[1.0]], [1.0], [0.5])
