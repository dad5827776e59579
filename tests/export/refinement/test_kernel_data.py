"""Sums over batches against NumPy on all rows at once."""

from types import SimpleNamespace

import numpy as np
import pytest

from kerastl.export.refinement.kernel_data import KernelData

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
