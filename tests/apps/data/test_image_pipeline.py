import keras
import numpy as np
import pytest

from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.data.image_pipeline import Augmentation
from kerastl.apps.data.image_pipeline import evaluation_batches
from kerastl.apps.data.image_pipeline import training_batches


def ramp_part(count=12, size=20):
    """Image i is i at the left and rises by 4 a pixel to the right."""
    rows = np.arange(count)[:, None] + 4 * np.arange(size)
    images = np.broadcast_to(
        rows[:, None, :, None], (count, size, size, 3)
    ).astype("uint8")
    return ImagePart(np.arange(count, dtype="int32"), size, images)


def collect(dataset):
    batches = list(dataset)
    return (
        np.concatenate([images for images, _ in batches]),
        np.concatenate([labels for _, labels in batches]),
    )


def test_the_same_seed_gives_the_same_batches():
    def epochs(seed):
        data = training_batches(ramp_part(), 16, 5, Augmentation(), seed)
        return [collect(data) for _ in range(2)]

    first, again, other = epochs(1), epochs(1), epochs(2)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    assert not np.array_equal(first[0][1], first[1][1])
    assert not np.array_equal(first[0][1], other[0][1])
    for images, labels in first:
        assert sorted(labels) == list(range(12))
        assert len(np.unique(images[:, 0, 0, 0])) > 6


@pytest.mark.parametrize("augmentation", [None, Augmentation()])
def test_an_epoch_depends_on_the_seed_and_its_number_only(augmentation):
    def passes(numbers):
        data = training_batches(
            ramp_part(), 16, 5, augmentation, 3, iter(numbers)
        )
        # As Keras does: an iterator that is never read draws nothing.
        iter(data)
        assert data.cardinality() == 3
        return {number: collect(data) for number in numbers}

    keras.utils.set_random_seed(1)
    whole = passes([0, 1, 2, 3])
    keras.utils.set_random_seed(2)
    later = passes([2, 3])
    for number, found in later.items():
        for a, b in zip(found, whole[number], strict=True):
            np.testing.assert_array_equal(a, b)
    orders = {tuple(labels) for _, labels in whole.values()}
    assert len(orders) == 4


def test_crops_keep_to_their_limits():
    augmentation = Augmentation(min_area=0.5, max_aspect=1.0, flip=False)
    data = training_batches(ramp_part(400), 16, 100, augmentation, 0)
    # Bytes wrap round, which shifts an image and leaves most slopes alone.
    images, _ = collect(data)
    slopes = np.median(np.diff(images[:, 8, :, 0], axis=1), axis=1)
    shares = slopes * 15 / (4 * 19)
    assert np.sqrt(0.5) - 0.02 < shares.min() < 0.75
    assert 0.95 < shares.max() < 1.02
    assert (slopes > 0).all()


@pytest.mark.parametrize("flip, share", [(True, 0.5), (False, 0.0)])
def test_half_of_the_images_are_mirrored(flip, share):
    augmentation = Augmentation(flip=flip)
    data = training_batches(ramp_part(200), 16, 50, augmentation, 0)
    images, _ = collect(data)
    slopes = np.median(np.diff(images[:, 8, :, 0], axis=1), axis=1)
    assert (slopes < 0).mean() == pytest.approx(share, abs=0.12)


def test_without_augmentation_the_centre_is_cut():
    part = ramp_part()
    images, labels = collect(training_batches(part, 16, 5, None, 0))
    np.testing.assert_array_equal(images, part.images[labels, 2:18, 2:18])
    order = np.array([3, 1, 2])
    images, labels = collect(evaluation_batches(part, 16, 2, order))
    assert labels.tolist() == [3, 1, 2]
    np.testing.assert_array_equal(images, part.images[order, 2:18, 2:18])


def test_the_classes_come_in_turn():
    labels = np.array([2, 0, 0, 0, 1, 1], "int32")
    order = ImagePart(labels, 1).stratified_order()
    assert labels[order].tolist() == [0, 1, 2, 0, 1, 0]
