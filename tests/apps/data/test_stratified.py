import numpy as np

from kerastl.apps.data.stratified import choose_shots
from kerastl.apps.data.stratified import split_by_class

LABELS = np.array([0] * 10 + [1] * 3 + [2])


def test_every_class_gives_its_share_and_keeps_one():
    first, second = split_by_class(LABELS, 0.2, seed=0)
    assert np.bincount(LABELS[second], minlength=3).tolist() == [2, 1, 0]
    assert np.sort(np.concatenate([first, second])).tolist() == list(range(14))
    _, most = split_by_class(LABELS, 0.95, seed=0)
    assert np.bincount(LABELS[most], minlength=3).tolist() == [9, 2, 1]


def test_a_class_more_changes_no_choice():
    few = choose_shots(LABELS[:13], 3, seed=5)
    more = choose_shots(np.append(LABELS[:13], [2] * 4), 3, seed=5)
    assert set(few) < set(more)
