import numpy as np
import pytest

from kerastl.metrics import expected_calibration_error


def by_hand(probabilities, labels, bins):
    """Guo et al., eq. (3), image by image."""
    members = {}
    for row, label in zip(probabilities, labels, strict=True):
        best = max(range(len(row)), key=lambda place: row[place])
        number = next(
            b for b in range(1, bins + 1) if row[best] <= b / bins + 1e-12
        )
        members.setdefault(number, []).append((row[best], best == label))
    total = 0.0
    for pairs in members.values():
        confidence = sum(pair[0] for pair in pairs) / len(pairs)
        accuracy = sum(pair[1] for pair in pairs) / len(pairs)
        total += len(pairs) / len(labels) * abs(accuracy - confidence)
    return total


@pytest.mark.parametrize("bins", [1, 4, 15])
@pytest.mark.parametrize("classes", [2, 7])
def test_equals_the_formula(classes, bins):
    generator = np.random.default_rng(classes)
    rows = generator.dirichlet([0.4] * classes, 200)
    labels = generator.integers(0, classes, 200)
    found = expected_calibration_error(rows, labels, bins=bins)
    assert found == pytest.approx(by_hand(rows, labels, bins))


def test_a_network_that_knows_what_it_knows_has_none():
    rows = np.tile([0.9, 0.1], (10, 1))
    labels = [0] * 9 + [1]
    assert expected_calibration_error(rows, labels) == pytest.approx(0)
    # One that is sure and always wrong has all of it.
    assert expected_calibration_error([[1.0, 0.0]] * 3, [1, 1, 1]) == 1


def test_a_bin_holds_its_upper_edge():
    # 0.75 belongs to (0.5, 0.75] with others: their gaps cancel.
    rows = [[0.75, 0.25], [0.55, 0.45]]
    found = expected_calibration_error(rows, [0, 1], bins=4)
    assert found == pytest.approx(abs(0.25 - 0.55) / 2)


def test_one_output_and_one_hot_labels():
    yes = np.array([[0.9], [0.2], [0.6]])
    rows = np.concatenate([1 - yes, yes], axis=-1)
    expected = by_hand(rows, [1, 0, 0], 15)
    assert expected_calibration_error(yes, [1, 0, 0]) == pytest.approx(expected)
    one_hot = np.eye(2)[[1, 0, 0]]
    found = expected_calibration_error(rows, one_hot)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    "rows, labels, message",
    [
        ([[2.0, -1.0]], [0], "take the softmax"),
        ([[0.5, 0.6]], [0], "sum to 1"),
        ([[np.nan, 1.0]], [0], "sum to 1"),
        (np.zeros((0, 3)), [], "at least one row"),
        ([0.5, 0.5], [0], r"shape=\(2,\)"),
        ([[0.5, 0.5]], [2], "one class of 2"),
        ([[0.5, 0.5]], [-1], "one class of 2"),
        ([[0.5, 0.5]], [0, 1], r"shape \(2,\) for 1 images"),
    ],
)
def test_what_is_refused(rows, labels, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(rows, labels)
    with pytest.raises(ValueError, match="bins"):
        expected_calibration_error([[0.5, 0.5]], [0], bins=0)
