import types

import numpy as np
import pytest

from kerastl.apps.choice.candidate import Candidate
from kerastl.apps.choice.choice import Choice
from kerastl.apps.choice.evidence import expected_gains


def _choice(candidates, probe=0.6, photos=100):
    data = types.SimpleNamespace(
        parts={"train": range(photos)}, num_classes=10, image_size=96
    )
    network = types.SimpleNamespace(
        label="net", probe=probe, data=data, shots=photos / 10
    )
    return Choice("photos", [network], candidates, {}, 0, [], 1.0)


def test_without_trials_the_probe_and_what_others_gained_over_it():
    reference = Candidate(0, "fine_tune", 0.0, 0.0, 1.0)
    other = Candidate(0, "averaged_imprinting", 2.0, 1.5, 1.0)
    choice = _choice([reference, other])
    assert choice.method == "averaged_imprinting"
    lift = -expected_gains(10, 60.0)["linear_probe"].points
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
