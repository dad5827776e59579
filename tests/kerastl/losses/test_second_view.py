import keras
import numpy as np
import pytest
from keras import ops

from kerastl.losses.second_view import second_view


def views(images, **kwargs):
    generator = keras.random.SeedGenerator(1)
    return ops.convert_to_numpy(
        second_view(ops.convert_to_tensor(images), generator, **kwargs)
    )


@pytest.fixture
def ramps():
    """Pixel (y, x) of every image is 100 y + x."""
    ramp = 100 * np.arange(8)[:, None] + np.arange(8)
    return np.broadcast_to(ramp[..., None], (200, 8, 8, 3)).astype("float32")


def test_whole_pixels_with_repeated_edges(ramps):
    found = set()
    for view in views(ramps, shift=0.25, flip=False):
        np.testing.assert_array_equal(view[..., 0], view[..., 2])
        dy, dx = (view[4, 4, 0] - 404) // 100, (view[4, 4, 0] - 404) % 100
        dx = dx if dx < 50 else dx - 100
        dy = (view[4, 4, 0] - 404 - dx) / 100
        rows = np.clip(np.arange(8) + dy, 0, 7)
        columns = np.clip(np.arange(8) + dx, 0, 7)
        np.testing.assert_array_equal(
            view[..., 0], 100 * rows[:, None] + columns
        )
        found.add((dy, dx))
    assert found == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}


def test_half_are_mirrored(ramps):
    found = views(ramps, shift=0.0)
    mirrored = found[:, 0, 0, 0] == 7
    assert 0.35 < mirrored.mean() < 0.65
    np.testing.assert_array_equal(found[mirrored], ramps[mirrored, :, ::-1])
    np.testing.assert_array_equal(found[~mirrored], ramps[~mirrored])


def test_an_eighth_of_the_side_is_the_most(ramps):
    columns = views(ramps, flip=False)[:, 0, :, 0] % 100
    # The fourth pixel came from the third, fourth or fifth.
    assert set(columns[:, 3]) == {2, 3, 4}
