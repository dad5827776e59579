import numpy as np

from kerastl.export.refinement.kernel_rounding import KernelGrid

WEIGHTS = np.array([[[0.5, -2.0, 0.0], [0.1, 0.02, 0.03]]])


def test_every_channel_has_its_largest_weight_on_the_last_level():
    grid = KernelGrid(WEIGHTS, np.array([[1.0, -3.0]]))
    np.testing.assert_allclose(grid.scales, [[2 / 127, 0.1 / 127]])
    np.testing.assert_array_equal(
        grid.nearest(), [[[32, -127, 0], [127, 25, 38]]]
    )
    np.testing.assert_array_equal(
        grid.fixed, [[[False, True, True], [True, False, False]]]
    )


def test_one_scale_for_all_is_that_of_the_folded_weights():
    """The second channel is multiplied with 40, and so has the largest."""
    factors = np.array([[1.0, -40.0]])
    grid = KernelGrid(WEIGHTS, factors, per_channel=False)
    folded = WEIGHTS * factors[..., None]
    scale = 4.0 / 127
    np.testing.assert_array_equal(
        grid.nearest() * np.sign(factors)[..., None], np.rint(folded / scale)
    )
    np.testing.assert_array_equal(
        grid.fixed, [[[False, False, True], [True, False, False]]]
    )


def test_dead_channels_have_levels_of_zero():
    for per_channel in (True, False):
        grid = KernelGrid(np.zeros((1, 2, 3)), np.zeros((1, 2)), per_channel)
        np.testing.assert_array_equal(grid.nearest(), 0)
        np.testing.assert_array_equal(grid.weights(grid.nearest()), 0)
