import math

import numpy as np
import pytest

from kerastl.apps.choice.candidate import Candidate


def _hits(right, count=100):
    return np.arange(count) < right


def test_without_trials_it_is_what_was_expected():
    reference = Candidate(0, "fine_tune", 0.0, 0.0, 1.0)
    other = Candidate(0, "imprinting", 1.5, 2.0, 1.0)
    assert other.judged(reference) == (1.5, 2.0)
    assert other.accuracy() == (None, 0)


def test_trials_and_expectation_are_weighted_by_how_sure_they_are():
    reference = Candidate(0, "fine_tune", 0.0, 0.0, 1.0, [_hits(60)])
    other = Candidate(0, "imprinting", 1.0, 2.0, 1.0, [_hits(70)])
    # Ten photos of a hundred differ: mean 0.1, variance 0.1 - 0.1 ** 2.
    seen = 1e4 * 0.09 / 100 + 2 * 2.0**2
    share = 4 / (4 + seen)
    points, error = other.judged(reference)
    assert points == pytest.approx(1.0 + share * (10 - 1.0))
    assert error == pytest.approx(math.sqrt(share * seen))
    assert error < 2.0
    assert other.accuracy() == (0.7, 100)


def test_only_folds_that_both_were_tried_on_are_compared():
    reference = Candidate(0, "fine_tune", 0.0, 0.0, 1.0, [_hits(60)])
    once = Candidate(0, "rifle", 0.0, 2.0, 1.0, [_hits(70)])
    twice = Candidate(0, "rifle", 0.0, 2.0, 1.0, [_hits(70), _hits(0)])
    assert once.judged(reference) == twice.judged(reference)


def test_more_folds_make_surer():
    def judged(folds):
        reference = Candidate(0, "a", 0.0, 0.0, 1.0, [_hits(60)] * folds)
        other = Candidate(0, "b", 0.0, 3.0, 1.0, [_hits(70)] * folds)
        return other.judged(reference)

    assert judged(5)[0] > judged(1)[0] > 0
    assert judged(5)[1] < judged(1)[1]
