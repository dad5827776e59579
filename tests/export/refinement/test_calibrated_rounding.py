import itertools

import numpy as np
import pytest

from kerastl.export.refinement.calibrated_rounding import calibrated_rounding


def problem(groups, outputs, inputs, seed=0):
    """Weights in levels and the moments of inputs that depend on another."""
    generator = np.random.default_rng(seed)
    levels = generator.uniform(-20, 20, (groups, outputs, inputs))
    mixing = generator.normal(size=(groups, inputs, inputs))
    rows = generator.normal(size=(groups, 400, inputs)) @ mixing
    return levels, rows.transpose(0, 2, 1) @ rows / 400


def errors(levels, rounded, moments):
    difference = levels - rounded
    return np.einsum(
        "goi,gij,goj->go", difference, moments, difference, optimize=True
    )


def by_the_book(levels, moments):
    """Algorithm 1 of the paper on one row, without blocks or Cholesky."""
    size = len(levels)
    moments = moments + 0.01 * np.trace(moments) / size * np.eye(size)
    order = np.argsort(-np.diag(moments), kind="stable")
    levels, rounded = levels.copy(), np.zeros(size)
    for place, column in enumerate(order):
        left = order[place:]
        inverse = np.linalg.inv(moments[np.ix_(left, left)])
        rounded[column] = np.rint(levels[column])
        error = (levels[column] - rounded[column]) / inverse[0, 0]
        levels[left] -= error * inverse[0]
    return rounded


def test_gives_what_the_paper_says():
    levels, moments = problem(2, 3, 7)
    rounded = calibrated_rounding(levels, moments, np.zeros(levels.shape, bool))
    for group, output in itertools.product(range(2), range(3)):
        np.testing.assert_array_equal(
            rounded[group, output],
            by_the_book(levels[group, output], moments[group]),
        )


def test_many_inputs_go_in_blocks():
    levels, moments = problem(1, 2, 150)
    rounded = calibrated_rounding(levels, moments, np.zeros(levels.shape, bool))
    for output in range(2):
        np.testing.assert_array_equal(
            rounded[0, output], by_the_book(levels[0, output], moments[0])
        )


def test_outputs_change_less_than_with_the_nearest_levels():
    levels, moments = problem(4, 16, 20)
    rounded = calibrated_rounding(levels, moments, np.zeros(levels.shape, bool))
    ours = errors(levels, rounded, moments).mean()
    assert ours < 0.5 * errors(levels, np.rint(levels), moments).mean()


def test_fixed_levels_stay_and_none_is_too_large():
    levels, moments = problem(1, 8, 30)
    levels *= 127 / np.abs(levels).max(-1, keepdims=True)
    levels[:, :, ::4] = 0
    fixed = (np.abs(levels) >= 127 - 1e-9) | (levels == 0)
    rounded = calibrated_rounding(levels, moments, fixed)
    np.testing.assert_array_equal(rounded[fixed], np.rint(levels[fixed]))
    assert np.abs(rounded).max() == 127
    np.testing.assert_array_equal(rounded, np.rint(rounded))


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_a_singular_matrix_still_rounds(rank):
    """Constant images, dead channels, fewer rows than inputs."""
    levels, _ = problem(1, 5, 12)
    rows = np.random.default_rng(1).normal(size=(rank, 12))
    rows[:, :4] = 0
    moments = (rows.T @ rows)[None]
    rounded = calibrated_rounding(levels, moments, np.zeros(levels.shape, bool))
    assert np.isfinite(rounded).all()
    # What does not matter for any output is rounded to the nearest level.
    np.testing.assert_array_equal(rounded[:, :, :4], np.rint(levels[:, :, :4]))


@pytest.mark.parametrize("off", [0.02, 0.5, 5.0])
def test_moments_that_are_a_little_off_are_damped_more(off):
    """As sums in float32 are: with an eigenvalue below zero."""
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(6, 12))
    moments = (rows.T @ rows / 6)[None]
    moments -= off * np.trace(moments[0]) / 12 * np.eye(12)
    levels = generator.uniform(-127, 127, (1, 4, 12))
    fixed = np.zeros(levels.shape, bool)
    rounded = calibrated_rounding(levels.copy(), moments, fixed)
    np.testing.assert_array_equal(rounded, np.rint(rounded))
    assert np.abs(rounded - levels).max() < 12


def test_moments_of_noise_alone_round_one_by_one():
    """Beside a group that has something to say, which stays as it is."""
    levels, moments = problem(2, 3, 8)
    fixed = np.zeros(levels.shape, bool)
    alone = calibrated_rounding(levels[1:].copy(), moments[1:], fixed[1:])
    noise = np.random.default_rng(1).normal(size=(8, 8))
    moments[0] = noise + noise.T - 4 * np.eye(8)
    moments[0] -= np.eye(8) * (np.trace(moments[0]) / 8 - 1e-3)
    found = calibrated_rounding(levels.copy(), moments, fixed)
    np.testing.assert_array_equal(found[0], np.rint(levels[0]))
    assert np.abs(found[1] - alone[0]).mean() < 0.5
