import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from kerastl.export.refinement.kernel_rounding import KernelData
from kerastl.export.refinement.kernel_rounding import _factor
from kerastl.export.refinement.kernel_rounding import calibrated_rounding


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


@pytest.mark.parametrize("size", [1, 64, 65, 131])
def test_inverse_of_the_moments_is_factored(size):
    _, moments = problem(2, 1, size)
    factor = _factor(moments, 0.5)
    np.testing.assert_array_equal(factor, np.triu(factor))
    mean = np.trace(moments, axis1=1, axis2=2) / size
    damped = moments + 0.5 * mean[:, None, None] * np.eye(size)
    np.testing.assert_allclose(
        factor.transpose(0, 2, 1) @ factor @ damped,
        np.broadcast_to(np.eye(size), damped.shape),
        atol=1e-9,
    )


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


GROUPS, INPUTS, OUTPUTS = 2, 3, 4
GENERATOR = np.random.default_rng(0)
ROWS = GENERATOR.normal(1, 2, (GROUPS, 50, INPUTS)).astype("float32")
LOW = ROWS + GENERATOR.normal(0.1, 0.2, ROWS.shape).astype("float32")
WEIGHTS = GENERATOR.normal(size=(GROUPS, OUTPUTS, INPUTS))
CHANGED = WEIGHTS + GENERATOR.normal(0, 0.1, WEIGHTS.shape)
# Twenty rows to fit to and thirty that judge, in uneven batches.
PARTS = (0, 15, 20, 27, 50)


@pytest.fixture
def make():
    def data(needs_moments=True, centred=False, rows=ROWS, low=LOW):
        batches = [
            (rows[:, start:stop], low[:, start:stop])
            for start, stop in zip(PARTS, PARTS[1:], strict=False)
        ]
        matrix = SimpleNamespace(num_groups=GROUPS, num_inputs=INPUTS)
        return KernelData(matrix, iter(batches), 2, needs_moments, centred)

    return data


def test_means_and_what_the_streams_differ_by(make):
    data = make()
    np.testing.assert_allclose(data.mean, LOW[:, :20].mean(1), rtol=1e-5)
    np.testing.assert_allclose(
        data.mean + data.shift, ROWS[:, :20].mean(1), rtol=1e-5
    )
    assert [rows.shape[1] for rows, _ in data.held] == [7, 23]
    assert data.is_finite()


@pytest.mark.parametrize("centred", [False, True])
def test_moments_of_the_rounded_stream(make, centred):
    low = LOW[:, :20].astype("float64")
    if centred:
        low = low - low.mean(1, keepdims=True)
    expected = np.einsum("gri,grj->gij", low, low) / 20
    found = make(centred=centred).moments
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert make(False, centred).moments is None


def test_what_outputs_lose_on_average(make):
    exact = np.einsum("goi,gri->gro", WEIGHTS, ROWS[:, :20])
    given = np.einsum("goi,gri->gro", CHANGED, LOW[:, :20])
    np.testing.assert_allclose(
        make().mean_error(WEIGHTS, CHANGED),
        (exact - given).mean(1),
        rtol=1e-4,
        atol=1e-5,
    )


def test_images_held_out_judge(make):
    exact = np.einsum("goi,gri->gro", WEIGHTS, ROWS[:, 20:])
    kept, given = (
        np.einsum("goi,gri->gro", each, LOW[:, 20:])
        for each in (WEIGHTS, CHANGED)
    )
    mean, variance = make().judge(WEIGHTS, CHANGED)
    np.testing.assert_allclose(
        mean, (exact - given).mean(1), rtol=1e-4, atol=1e-5
    )
    # That of the inputs is the same with all weights.
    np.testing.assert_allclose(variance, (kept - given).var(1), rtol=1e-3)
    np.testing.assert_allclose(make().judge(WEIGHTS, WEIGHTS)[1], 0)


def test_the_power_of_the_outputs(make):
    outputs = np.einsum("goi,gri->gro", WEIGHTS, LOW[:, 20:])
    expected = np.square(outputs).sum() / 30
    assert make().power(WEIGHTS) == pytest.approx(expected, rel=1e-5)
    assert make().power(0 * WEIGHTS) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("stream", ["rows", "low"])
def test_what_is_no_number_is_seen(make, value, stream):
    broken = {"rows": ROWS, "low": LOW}[stream].copy()
    broken[1, 3, 2] = value
    with np.errstate(invalid="ignore"):
        assert not make(**{stream: broken}).is_finite()
