import itertools

import keras
import numpy as np
import pytest

from kerastl.apps.data.augmentation import Augmentation
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.data.image_pipeline import batch_bounds
from kerastl.apps.data.image_pipeline import data_tensorflow
from kerastl.apps.data.image_pipeline import evaluation_batches
from kerastl.apps.data.image_pipeline import training_batches
from kerastl.data import SampleFilter


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


@pytest.mark.parametrize(
    "count, batch_size, sizes",
    [
        (100, 32, [24, 24, 26, 26]),
        (99, 32, [24, 24, 25, 26]),
        (100, 33, [25, 25, 25, 25]),
        (1025, 32, [30] * 15 + [31] + [32] * 17),
        (64, 32, [32, 32]),
        (3, 32, [3]),
        (7, 1, [1] * 7),
        (0, 32, []),
    ],
)
def test_batches_are_of_nearly_one_size(count, batch_size, sizes):
    bounds = batch_bounds(count, batch_size)
    assert (bounds[0], bounds[-1]) == (0, count)
    assert sorted(np.diff(bounds)) == sizes


def test_no_batch_is_a_small_rest():
    data = training_batches(ramp_part(11), 16, 5, Augmentation(), 0)
    sizes = [len(labels) for _, labels in data]
    assert sorted(sizes) == [3, 4, 4]


def test_the_end_of_a_pass_waits_for_no_autotuner():
    for batches in (
        training_batches(ramp_part(), 16, 5, None, 0),
        evaluation_batches(ramp_part(), 16, 5),
    ):
        assert batches.options().autotune.enabled is False


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


def numbered(dataset):
    """Index, label and the number in the pixels of every image."""
    found = []
    for x, labels in dataset:
        pixels = np.asarray(x["images"])[:, 0, 0, 0] - 8
        found += zip(
            np.asarray(x["index"]).tolist(),
            np.asarray(labels).tolist(),
            pixels.astype(int).tolist(),
            strict=True,
        )
    return found


def test_the_index_is_the_place_in_the_part():
    part = ramp_part()
    part.labels[:] = part.labels[::-1].copy()
    plain = training_batches(part, 16, 5, None, 3)
    data = training_batches(part, 16, 5, None, 3, with_index=True)
    found = numbered(data)
    assert sorted(found) == [(i, 11 - i, i) for i in range(12)]
    # The order is that of batches without an index.
    assert [label for _, label, _ in found] == collect(plain)[1].tolist()
    assert data.cardinality() == 3


@pytest.mark.parametrize("augmentation", [None, Augmentation(flip=False)])
def test_unlabelled_images_come_evenly_and_again(augmentation):
    def passes(first):
        data = training_batches(
            ramp_part(12),
            16,
            5,
            augmentation,
            3,
            itertools.count(first),
            unlabelled=ramp_part(4, size=20),
        )
        found = []
        for x, labels in data:
            assert x["images"].shape[0] == len(labels)
            assert x["unlabelled"].shape == (4, 16, 16, 3)
            found.append(x["unlabelled"].numpy())
        return np.concatenate(found)

    np.testing.assert_array_equal(passes(2), passes(2))
    assert not np.array_equal(passes(2), passes(1))
    if augmentation is None:
        numbers = passes(0)[:, 0, 0, 0].astype(int) - 8
        counts = np.bincount(numbers, minlength=4)
        assert counts.tolist() == [3, 3, 3, 3]


def test_a_filter_is_asked_in_every_pass():
    chosen = SampleFilter(12)
    data = training_batches(
        ramp_part(), 16, 5, None, 3, with_index=True, sample_filter=chosen
    )
    whole = numbered(data)
    assert len(whole) == 12
    chosen.hide([0, 3, 4])
    kept = numbered(data)
    assert sorted(i for i, _, _ in kept) == [1, 2, 5, 6, 7, 8, 9, 10, 11]
    chosen.hide([])
    assert len(numbered(data)) == 12


def test_unlabelled_crops_are_drawn_by_themselves():
    """The same image, labelled and not, is not cut in the same place."""
    part = ramp_part(1)
    data = training_batches(
        part, 16, 1, Augmentation(flip=False), 0, unlabelled=part
    )
    for _ in range(3):
        [(inputs, _)] = list(data)
        images, beside = inputs["images"], inputs["unlabelled"]
        assert images.shape == beside.shape
        assert not np.array_equal(images, beside)


def test_tensorflow_sees_accelerators_only_as_the_backend():
    tf = data_tensorflow()
    tf.constant(1.0)
    assert data_tensorflow() is tf  # also when it has started
    if keras.backend.backend() != "tensorflow":
        assert tf.config.get_visible_devices("GPU") == []
    else:
        assert tf.config.get_visible_devices("GPU") == (
            tf.config.list_physical_devices("GPU")
        )
