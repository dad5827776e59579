import pytest
from sklearn import metrics

from kerastl.apps.report.class_scores import balanced_accuracy
from kerastl.apps.report.class_scores import class_scores

MATRIX = [[8, 1, 1, 0], [0, 3, 2, 0], [0, 0, 0, 0], [1, 0, 0, 0]]


def test_scores_are_those_of_scikit_learn():
    true = [t for t, row in enumerate(MATRIX) for n in row for _ in range(n)]
    said = [p for row in MATRIX for p, n in enumerate(row) for _ in range(n)]
    found = class_scores({"class_names": list("abcd"), "matrix": MATRIX})
    assert [row["name"] for row in found] == list("abcd")
    assert [row["images"] for row in found] == [10, 5, 0, 1]
    expected = metrics.precision_recall_fscore_support(
        true, said, labels=range(4), zero_division=0
    )
    for name, values in zip(
        ("precision", "recall", "f1"), expected[:3], strict=True
    ):
        assert [row[name] or 0 for row in found] == pytest.approx(list(values))
    # Where nothing was, or was said to be, there is no number.
    assert found[2]["recall"] is None
    assert found[3]["precision"] is None
    assert found[3]["f1"] == 0
    assert balanced_accuracy(found) == pytest.approx((0.8 + 0.6 + 0) / 3)


def test_nothing_was_measured():
    assert class_scores(None) == []
    assert balanced_accuracy([]) is None
    alone = class_scores({"class_names": ["a"], "matrix": [[0]]})
    assert alone[0]["f1"] is None
