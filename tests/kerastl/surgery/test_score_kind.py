"""Functions of scores, told by what they answer."""

import numpy as np
import pytest

from kerastl.surgery.score_kind import LOGITS
from kerastl.surgery.score_kind import OTHER
from kerastl.surgery.score_kind import PROBABILITIES
from kerastl.surgery.score_kind import SIGMOID
from kerastl.surgery.score_kind import score_kind
from kerastl.surgery.score_kind import sums_to_constant


def softmax(x, axis=-1):
    exponentials = np.exp(x - x.max(axis, keepdims=True))
    return exponentials / exponentials.sum(axis, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    "function, name, scale",
    [
        (softmax, PROBABILITIES, 1.0),
        (lambda x: softmax(x + 3), PROBABILITIES, 1.0),
        (lambda x: softmax(x / 2), PROBABILITIES, 0.5),
        # A temperature so low that only small scores tell.
        (lambda x: softmax(500 * x), PROBABILITIES, 500),
        (lambda x: np.log(softmax(3 * x)), PROBABILITIES, 3.0),
        (lambda x: softmax(x**3), PROBABILITIES, None),
        (lambda x: softmax(-x), PROBABILITIES, None),
        (np.ones_like, OTHER, None),
        (sigmoid, SIGMOID, 1.0),
        (lambda x: sigmoid(4 * x - 1), SIGMOID, 4.0),
        (lambda x: sigmoid(x**3), OTHER, None),
        (lambda x: x, LOGITS, 1.0),
        (lambda x: 0.25 * x + 7, LOGITS, 0.25),
        # Linear for small scores only.
        (lambda x: np.clip(x / 6 + 0.5, 0, 1), SIGMOID, None),
        (lambda x: np.clip(x, -4, 4), LOGITS, None),
        (lambda x: -x, OTHER, None),
        (lambda x: np.maximum(x, 0), OTHER, None),
        (lambda x: 0 * x, OTHER, None),
        (lambda x: x * np.nan, OTHER, None),
        (lambda x: np.tanh(x), OTHER, None),
        # One of a thousand is the rounding of a plain softmax, more is not.
        (lambda x: softmax(1.0001 * x), PROBABILITIES, 1.0),
        (lambda x: softmax(1.01 * x), PROBABILITIES, 1.01),
        (lambda x: x[:, :2], OTHER, None),
    ],
)
def test_what_a_function_makes_of_scores(function, name, scale):
    found = score_kind(function, (5,))
    assert found.name == name
    if scale is None or scale == 1.0:
        assert found.scale == scale
    else:
        assert found.scale == pytest.approx(scale, rel=1e-3)


def test_half_precision_is_less_exact():
    def rounded(x):
        return np.round(softmax(2 * x) * 200) / 200

    assert score_kind(rounded, (3,)).scale is None
    found = score_kind(rounded, (3,), half=True)
    assert found.name == PROBABILITIES
    assert found.scale == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("axis", [1, -1])
def test_feature_maps_with_classes_on_either_axis(axis):
    shape = (4, 3, 3) if axis == 1 else (3, 3, 4)
    space = (2, 3) if axis == 1 else (1, 2)
    found = score_kind(lambda x: softmax(x, axis), shape, axis)
    assert found == (PROBABILITIES, 1.0)
    found = score_kind(lambda x: softmax(x.mean(space)), shape, axis)
    assert found == (PROBABILITIES, 1.0)
    assert score_kind(lambda x: x.mean(space), shape, axis) == (LOGITS, 1.0)
    wrong = score_kind(lambda x: softmax(x, 2), shape, axis)
    assert wrong.name != PROBABILITIES


def test_what_is_tried():
    """Eight rows, less of what is large, of three spreads."""
    seen = []

    def saturated(x):
        seen.append(x)
        return np.zeros_like(x)

    score_kind(saturated, (5,))
    assert [x.shape for x in seen] == [(8, 5)] * 3
    for x, spread in zip(seen, (1.0, 0.03, 1e-3), strict=True):
        expected = np.random.default_rng(0).uniform(-spread, spread, (8, 5))
        np.testing.assert_array_equal(x, expected.astype("float32"))
    for shape, rows in (((2**18,), 4), ((2**21,), 1), ((), 8)):
        seen.clear()
        score_kind(lambda x: seen.append(x) or x, shape)
        # What seems linear is tried with ten times as large scores, too.
        assert [x.shape for x in seen] == [(rows, *shape)] * 2
        np.testing.assert_array_equal(seen[1], 10 * seen[0])


@pytest.mark.parametrize(
    "outputs, constant",
    [
        ([[0.25, 0.75], [1.0, 0.0]], True),
        ([[0.5, 1.5], [1.0, 1.0]], True),
        ([[0.5, 0.4994], [1.0, 0.0]], True),
        ([[0.5, 0.498], [1.0, 0.0]], False),
        ([[-0.5, 1.5], [1.0, 0.0]], False),
        ([[0.0, 0.0], [0.0, 0.0]], False),
        ([[0.25, 0.25], [0.25, 0.25]], False),
        ([[0.5, 0.5], [np.nan, 1.0]], False),
    ],
)
def test_rows_with_one_sum(outputs, constant):
    outputs = np.array(outputs)
    assert sums_to_constant(outputs) is constant
    if np.isfinite(outputs).all():
        assert sums_to_constant(outputs.T, axis=0) is constant
