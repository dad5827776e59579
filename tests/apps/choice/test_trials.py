"""The order and the end of trials; what trains is in test_choose.py."""

import types

import numpy as np
import pytest

from kerastl.apps.choice import trials
from kerastl.apps.choice.choice import Candidate
from kerastl.apps.choice.trials import count_folds
from kerastl.apps.choice.trials import make_folds
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart


def _data(count=20):
    labels = (np.arange(count) % 2).astype("int32")
    images = np.zeros((count, 16, 16, 3), "uint8")
    images[:, 0, 0, 0] = np.arange(count)
    return ImageData({"train": ImagePart(labels, 16, images)}, "ab", 12)


@pytest.fixture
def tried(monkeypatch):
    """Trainings that only say how good they would have been.

    Each takes a tenth of a second of a clock that nothing else moves.
    """
    order = []
    now = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(trials, "time", clock)

    def train(candidate, network, data, epochs):
        now[0] += 0.1
        order.append((candidate.method, data.parts["train"].images[:, 0, 0, 0]))
        right = {"a": 5, "b": 9, "c": 7, "d": 1}[candidate.method]
        return np.arange(10) < right

    monkeypatch.setattr(trials, "_train", train)
    return order


def _try(seconds, folds=5, spent=0.0):
    candidates = [
        Candidate(0, method, 0.0, 5.0, spent) for method in ("a", "b", "c", "d")
    ]
    network = types.SimpleNamespace(data=_data(), label="net")
    said = []
    done = trials.try_candidates(
        candidates,
        candidates[0],
        [network],
        folds,
        3,
        seconds,
        said.append,
    )
    assert len(said) == done
    return candidates, done


def test_the_worse_half_is_out_after_every_fold_but_never_the_reference(tried):
    candidates, done = _try(60)
    counts = {each.method: len(each.hits) for each in candidates}
    # Four, then the reference and the best, to the last fold.
    assert counts == {"a": 5, "b": 5, "c": 1, "d": 1}
    assert done == 12


def test_nothing_begins_that_would_not_end_in_time(tried):
    _, none = _try(0.5, spent=1.0)
    assert none == 0


def test_the_first_training_tells_how_long_the_others_take(tried):
    # By what was expected of them, four of a second would not fit.
    candidates, done = _try(1.5, spent=1.0)
    assert done == 12
    for candidate in candidates:
        assert candidate.seconds == pytest.approx(0.1)


def test_a_reference_alone_is_compared_with_nothing(tried):
    candidates = [
        Candidate(0, "a", 0.0, 0.0, 0.1),
        Candidate(1, "b", 0.0, 5.0, 100.0),
    ]
    network = types.SimpleNamespace(data=_data(), label="net")
    done = trials.try_candidates(
        candidates,
        candidates[0],
        [network, network],
        5,
        3,
        20.0,
        print,
    )
    assert done == 1
    assert not candidates[1].hits


def test_folds_hold_every_photo_once_and_train_on_the_others():
    data = _data()
    folds = make_folds(data, 5)
    held = [fold.parts["validation"].images[:, 0, 0, 0] for fold in folds]
    assert sorted(np.concatenate(held)) == list(range(20))
    for fold, out in zip(folds, held, strict=True):
        kept = fold.parts["train"].images[:, 0, 0, 0]
        assert not set(kept) & set(out)
        assert len(kept) + len(out) == 20
        np.testing.assert_array_equal(
            np.bincount(fold.parts["validation"].labels), [2, 2]
        )


@pytest.mark.parametrize(
    "labels, folds", [([0, 1] * 9, 5), ([0, 0, 0, 1, 1, 1], 3), ([0, 0, 1], 0)]
)
def test_as_many_folds_as_the_smallest_class_allows(labels, folds):
    assert count_folds(np.array(labels)) == folds
