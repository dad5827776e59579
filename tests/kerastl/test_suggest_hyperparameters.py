import itertools

import numpy as np
import pytest

import kerastl
from kerastl.suggest_hyperparameters import earth_movers_distance


def test_similarity():
    source = np.array([[0.0, 0.0], [3.0, 4.0]])
    same = kerastl.suggest_hyperparameters(source, source)
    assert same.similarity == pytest.approx(1.0)
    moved = kerastl.suggest_hyperparameters(source, source + [6.0, 8.0])
    assert moved.similarity == pytest.approx(np.exp(-0.1))
    # Two thirds of the images have 5 to go, the others nothing.
    weighted = kerastl.suggest_hyperparameters(
        source, source[:1], source_sizes=[10, 20], gamma=0.1
    )
    assert weighted.similarity == pytest.approx(np.exp(-0.1 * 10 / 3))
    unit = kerastl.suggest_hyperparameters(
        source[1:], 100 * source[1:], normalize=True
    )
    assert unit.similarity == pytest.approx(1.0)


# Published: similarity of the data set, and its best effective rate.
@pytest.mark.parametrize(
    "similarity, best",
    [
        (0.862, 0.001),
        (0.892, 0.005),
        (0.856, 0.01),
        (0.860, 0.05),
        (0.845, 0.5),
        (0.840, 1.0),
        (0.844, 0.1),
    ],
)
def test_the_published_best_rates_are_in_range(similarity, best):
    distance = -np.log(similarity) / 0.01
    found = kerastl.suggest_hyperparameters([[0.0]], [[distance]])
    assert found.similarity == pytest.approx(similarity)
    low, high = found.effective_range
    assert low <= best <= high
    assert low < found.effective_learning_rate < high
    assert found.learning_rate / (1 - found.momentum) == pytest.approx(
        found.effective_learning_rate
    )
    assert f"{similarity:.3f}" in str(found)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([[1.0]], [[1.0, 2.0]]), r"shapes \(1, 1\) and \(1, 2\)"),
        (([1.0], [[1.0]]), r"shape \(1,\)"),
        (([[np.nan]], [[1.0]]), "source_features"),
        (([[1.0]], [[1.0]], [0]), "source_sizes"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        kerastl.suggest_hyperparameters(*arguments)
    with pytest.raises(ValueError, match="the higher one first"):
        kerastl.suggest_hyperparameters([[1.0]], [[1.0]], thresholds=(0.5, 0.6))


def testearth_movers_distance_by_trying_all():
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


def testearth_movers_distance_on_a_line():
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
