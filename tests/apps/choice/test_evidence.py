import math

import pytest

from kerastl.apps.choice import evidence
from kerastl.apps.choice.evidence import expected_gains
from kerastl.apps.choice.evidence import expected_lesson
from kerastl.apps.choice.evidence import measured
from kerastl.apps.choice.evidence import verdict
from kerastl.apps.recipes.recipe_table import RECIPES


def _row(**changes):
    return {
        "data": "a",
        "shots": 10,
        "probe": 60.0,
        "features": 256,
        "method": "imprinting",
        "gain": 3.0,
        "error": 1.0,
        "seeds": 5,
        **changes,
    }


def _task(shots=10, probe=60.0, features=256):
    return evidence.Task(shots, probe, features)


def test_a_gain_on_the_same_task_counts_for_two_thirds():
    gain = expected_gains(_task(), [_row()])["imprinting"]
    assert gain.points == pytest.approx(3.0 / 1.5)
    assert gain.tasks == 1
    assert gain.error == pytest.approx(
        math.sqrt((0.5 * 2) ** 2 + 1.0**2 + 2.0**2) / 1.5
    )


@pytest.mark.parametrize(
    "task",
    [
        _task(shots=20),
        _task(shots=5),
        _task(probe=75.0),
        _task(features=1024),
        _task(features=64),
    ],
)
def test_a_task_further_away_counts_for_less(task):
    gain = expected_gains(task, [_row()])["imprinting"]
    near = math.exp(-0.5)
    assert gain.points == pytest.approx(3.0 * near / (near + 0.5))


def test_of_two_tasks_the_nearer_one_says_more():
    rows = [_row(), _row(data="b", probe=90.0, gain=-3.0)]
    assert expected_gains(_task(), rows)["imprinting"].points > 1
    assert expected_gains(_task(probe=90.0), rows)["imprinting"].points < -1
    assert expected_gains(_task(probe=75.0), rows)["imprinting"].points == (
        pytest.approx(0, abs=1e-9)
    )


def test_what_nobody_measured_is_no_better_than_fine_tuning():
    gains = expected_gains(_task(1000, 5.0), [_row()])
    assert gains["imprinting"].points == pytest.approx(0, abs=1e-3)
    assert gains["imprinting"].error == pytest.approx(2.0, abs=0.1)
    assert gains["fine_tune"] == (0.0, 0.0, 0.0)


def test_a_method_that_is_gone_is_passed_over():
    assert set(expected_gains(_task(), [_row(method="gone")])) == {"fine_tune"}


def test_what_ships_is_of_methods_that_there_are():
    rows = measured()
    assert {row["method"] for row in rows} <= set(RECIPES)
    # The lift from a probe to a trained network is read from it.
    probes = [row["gain"] for row in rows if row["method"] == "linear_probe"]
    assert sum(probes) < -2 * len(probes)
    assert all(row["seeds"] >= 2 and row["error"] > 0 for row in rows)


@pytest.mark.parametrize(
    "gains, word",
    [
        ([3.0], "yes"),
        ([1.9], "no difference"),
        ([-3.0], "no"),
        # Two tasks are surer than one.
        ([1.5, 1.5], "yes"),
        ([], "not measured"),
    ],
)
def test_the_verdict_leaves_zero_out_of_the_interval(gains, word):
    rows = [_row(gain=gain) for gain in gains]
    assert verdict("imprinting", rows) == word


def test_the_verdict_is_of_networks_with_many_features():
    rows = [_row(gain=3.0), _row(gain=-30.0, features=64)]
    assert verdict("imprinting", rows) == "yes"
    assert verdict("imprinting", rows[1:]) == "not measured"


def test_a_lesson_is_expected_where_one_was_measured():
    rows = [_row(gain=12.0)]
    assert expected_lesson(_task(), True, rows).points == pytest.approx(8.0)
    assert expected_lesson(_task(probe=90.0), True, rows).points < 3
    assert expected_lesson(_task(), True, []) == (0.0, 2.0, 0)


def test_what_is_told_of_a_method_is_with_the_photos_it_needs(monkeypatch):
    rows = [_row(gain=1.0), {**_row(gain=9.0), "method": "self_training"}]
    monkeypatch.setattr(
        evidence, "measured", lambda unlabelled: rows[unlabelled:][:1]
    )
    for method, gain in (("imprinting", 1.0), ("self_training", 9.0)):
        (row,) = evidence.told_of(method)
        assert row["gain"] == gain
    assert evidence.told_of("ktft") == evidence.told_of("ktft+l2_sp") == []
    assert verdict("self_training") == "yes"


def test_rows_with_a_teacher_are_kept_apart():
    alone, taught = measured(), measured(teacher=True, unlabelled=True)
    assert {row["teacher"] for row in alone} == {""}
    assert "" not in {row["teacher"] for row in taught}
    assert all(row["unlabelled"] for row in taught)
