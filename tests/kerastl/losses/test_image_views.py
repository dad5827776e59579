import keras
import numpy as np
import pytest
from keras import ops

from kerastl.losses import StrongView
from kerastl.losses.image_views import second_view


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


def drawn(view, images):
    return ops.convert_to_numpy(view(images))


def test_every_image_is_distorted_by_itself(images):
    # Alike, so that what differs was drawn.
    alike = np.repeat(images[:1], 16, axis=0)
    view = StrongView(seed=3)
    first, second = drawn(view, alike), drawn(view, alike)
    assert first.shape == alike.shape and first.dtype == "float32"
    assert first.min() >= 0 and first.max() <= 255
    assert len(np.unique(first.mean((1, 2, 3)).round(3))) == 16
    assert np.abs(first - second).max() > 1
    np.testing.assert_array_equal(first, drawn(StrongView(seed=3), alike))
    assert np.abs(first - drawn(StrongView(seed=4), alike)).max() > 1


def test_a_rectangle_becomes_gray(images):
    # No shift, no colors: what is left of the image is as it was.
    view = StrongView(0.0, shift=0.0, flip=False, seed=1)
    found = drawn(view, images)
    gray = np.isclose(found, 127.5).all(-1)
    np.testing.assert_allclose(found[~gray], images[~gray], atol=0.1)
    for mask in gray:
        rows, columns = np.nonzero(mask)
        area = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        # All of a rectangle; its sides are roots of shares of 2 to 25 %.
        assert area == len(rows)
        assert np.ptp(rows) < 8 and np.ptp(columns) < 8


def test_colors_move_as_far_as_the_strength_says(images):
    shades = np.full((64, 8, 8, 3), 100.0, "float32")
    means = {}
    for strength in (0.2, 0.8):
        found = drawn(
            StrongView(strength, flip=False, shift=0.0, seed=2), shades
        )
        colors = np.where(np.isclose(found, 127.5), np.nan, found)
        means[strength] = np.nanmean(colors, (1, 2, 3)) - 100
        # An image of one gray has no contrast and no saturation.
        assert np.abs(means[strength]).max() <= strength / 2 * 255 + 0.1
    assert np.std(means[0.8]) > 2 * np.std(means[0.2])
    # Gray images of one channel have colors that move, too.
    assert drawn(StrongView(), images[..., :1]).shape == (24, 16, 16, 1)


def test_it_is_saved(images):
    view = StrongView(0.3, (0, 1), shift=0.2, flip=False, seed=5)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(view)
    )
    images = images / 255
    found = drawn(view, images)
    np.testing.assert_array_equal(found, drawn(again, images))
    assert found.max() <= 1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"strength": 1.5}, "`strength` must be .* at most 1"),
        ({"shift": 1}, "`shift` must be .* below 1"),
        ({"seed": -1}, "`seed` must be an integer"),
        ({"value_range": (1, 0)}, "`value_range` must rise"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        StrongView(**options)
