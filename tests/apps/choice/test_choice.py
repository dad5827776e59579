import math
import types

import numpy as np
import pytest

from kerastl.apps.choice.choice import Candidate
from kerastl.apps.choice.choice import Choice
from kerastl.apps.choice.evidence import Task
from kerastl.apps.choice.evidence import expected_gains


def _choice(candidates, probe=0.6, photos=100):
    data = types.SimpleNamespace(
        parts={"train": range(photos)}, num_classes=10, image_size=96
    )
    network = types.SimpleNamespace(
        label="net",
        probe=probe,
        data=data,
        task=Task(photos / 10, 100 * probe, 1280),
    )
    return Choice("photos", [network], candidates, {}, 0, [], 1.0)


def test_without_trials_the_probe_and_what_others_gained_over_it():
    reference = Candidate(0, "fine_tune", 0.0, 0.0, 1.0)
    other = Candidate(0, "averaged_imprinting", 2.0, 1.5, 1.0)
    choice = _choice([reference, other])
    assert choice.method == "averaged_imprinting"
    lift = -expected_gains(Task(10, 60.0, 1280))["linear_probe"].points
    assert lift > 1
    accuracy, half = choice.expected()
    expected = 0.6 + lift / 100 + 0.02
    assert accuracy == pytest.approx(expected)
    spread = expected * (1 - expected) / 100 + 1e-4
    assert half == pytest.approx(1.96 * (spread + 0.015**2) ** 0.5)


def test_with_trials_the_references_accuracy_and_the_judged_difference():
    reference = Candidate(0, "fine_tune", 0.0, 0.0, 1.0)
    reference.hits = [np.arange(50) < 40, np.arange(50) < 35]
    other = Candidate(0, "rifle", -1.0, 2.0, 1.0, [np.arange(50) < 20])
    choice = _choice([other, reference][::-1])
    assert choice.method == "fine_tune"
    assert choice.expected()[0] == 0.75
    points, _ = other.judged(reference)
    assert points < -1
    assert choice.expected(other)[0] == pytest.approx(0.75 + points / 100)
    rows = choice.rows()
    assert [row["method"] for row in rows] == ["fine_tune", "rifle"]
    # What is better by points is better by accuracy.
    assert rows[0]["accuracy"] > rows[1]["accuracy"]


def test_what_is_known_well_goes_before_what_may_be_more():
    reference = Candidate(0, "fine_tune", 0.0, 0.0, 1.0)
    known = Candidate(0, "averaged_imprinting", 2.1, 0.6, 1.0)
    perhaps = Candidate(0, "bi_tuning", 2.5, 1.6, 1.0)
    choice = _choice([reference, perhaps, known])
    assert choice.method == "averaged_imprinting"
    methods = [row["method"] for row in choice.rows()]
    assert methods == ["averaged_imprinting", "bi_tuning", "fine_tune"]
    # Nothing that is less than its own error.
    assert _choice([reference, Candidate(0, "lure", 1.0, 1.6, 1.0)]).method == (
        "fine_tune"
    )


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
