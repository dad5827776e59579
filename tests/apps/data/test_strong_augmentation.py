"""Keras's augmentation layers in the input pipeline."""

import dataclasses

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.data.augmentation import PARTS
from kerastl.apps.data.augmentation import Augmentation
from kerastl.apps.data.augmentation import check_augment
from kerastl.apps.data.augmentation import describe_augmentation
from kerastl.apps.data.augmentation import make_augmentation
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.data.image_pipeline import training_batches
from kerastl.apps.data.strong_augmentation import SeededRandAugment
from kerastl.data import SampleFilter

pytestmark = pytest.mark.tensorflow_only

CLASSES = 4


def flat_part(count=40, size=20):
    """Images of one gray value each, 60 times the class."""
    labels = (np.arange(count) % CLASSES).astype("int32")
    images = np.broadcast_to(
        60 * labels[:, None, None, None], (count, size, size, 3)
    )
    return ImagePart(labels, size, images.astype("uint8"))


def noise_part(count=40, size=20):
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3))
    labels = (np.arange(count) % CLASSES).astype("int32")
    return ImagePart(labels, size, images.astype("uint8"))


def batches(part, augmentation, numbers=(0,), seed=3, **options):
    """All batches of the epochs of these numbers, as arrays."""
    numbers = list(numbers)
    data = training_batches(
        part,
        16,
        10,
        augmentation,
        seed,
        iter(numbers),
        num_classes=CLASSES,
        **options,
    )
    return [
        keras.tree.map_structure(np.asarray, batch)
        for _ in numbers
        for batch in data
    ]


def test_an_epoch_depends_on_the_seed_and_its_number_only():
    augmentation = make_augmentation("strong", Augmentation())
    keras.utils.set_random_seed(1)
    whole = batches(noise_part(), augmentation, [0, 1])
    keras.utils.set_random_seed(2)
    later = batches(noise_part(), augmentation, [1])
    for found, expected in zip(later, whole[4:], strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
    other = batches(noise_part(), augmentation, [0], seed=4)
    assert not np.array_equal(other[0][0], whole[0][0])
    for images, labels in whole:
        assert images.dtype == labels.dtype == "float32"
        assert images.min() >= 0 and images.max() <= 255
        assert labels.shape == (10, CLASSES)
        np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    # Its images are not those of the epoch before, its batches not alike.
    assert not np.array_equal(whole[0][0], whole[4][0])


def test_rand_augment_is_kerass_own():
    """With what was drawn, each operation makes what Keras makes of it."""
    import tensorflow as tf

    images = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3))
    images = tf.constant(images, "float32")
    seeds = keras.random.SeedGenerator(5)
    options = {"factor": 0.4, "data_format": "channels_last"}
    own = SeededRandAugment(seeds, **options)
    theirs = keras.layers.RandAugment(**options)
    for layer in (own, theirs):
        layer.build((None, 16, 16, 3))
    drawn = own.get_random_transformation(images, training=True)
    changed = 0
    for first in range(11):
        drawn["layer_idxes"] = tf.constant([first, 3])
        found = own.transform_images(images, drawn)
        expected = theirs.transform_images(images, drawn)
        np.testing.assert_allclose(found, expected, atol=1e-3)
        changed += not np.allclose(found, images, atol=1)
    assert changed == 11
    # It draws from the generator that it was given, and from no other.
    seeds.state.assign([5, 0])
    again = own.get_random_transformation(images, training=True)
    np.testing.assert_array_equal(
        again["transforms"]["random_rotation"]["angle"],
        drawn["transforms"]["random_rotation"]["angle"],
    )


def test_every_image_draws_operations_of_its_own():
    """Images that are all alike come out as many kinds."""
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3))
    part = ImagePart(
        np.zeros(40, "int32"), 20, np.stack([image] * 40).astype("uint8")
    )
    augmentation = Augmentation(1.0, 1.0, flip=False, rand_augment=0.3)
    found = batches(part, augmentation)
    assert all(labels.dtype == "int32" for _, labels in found)
    images = np.concatenate([images for images, _ in found])
    kinds = {image.tobytes() for image in np.round(images).astype("uint8")}
    assert len(kinds) > 35


def test_a_share_of_the_images_is_erased():
    augmentation = Augmentation(1.0, 1.0, flip=False, random_erasing=0.25)
    found = batches(flat_part(400), augmentation)
    images = np.concatenate([images for images, _ in found])
    labels = np.concatenate([labels for _, labels in found])
    kept = np.isclose(images, 60.0 * labels[:, None, None, None], atol=1e-3)
    erased = 1 - kept.all(axis=-1).mean(axis=(1, 2))
    assert (erased > 0).mean() == pytest.approx(0.25, abs=0.07)
    # Keras's rectangle: its sides are roots of shares from 0.02 to 0.33.
    assert erased.max() < 0.45


def test_mixup_blends_images_and_labels_alike():
    augmentation = Augmentation(1.0, 1.0, flip=False, mixup=0.5)
    mixed = 0
    for images, labels in batches(flat_part(), augmentation):
        expected = labels @ (60.0 * np.arange(CLASSES))
        for image, value in zip(images, expected, strict=True):
            np.testing.assert_allclose(image, value, atol=0.01)
        mixed += (labels.max(axis=1) < 0.99).sum()
    assert mixed > 10


def test_cutmix_mixes_labels_by_area():
    augmentation = Augmentation(1.0, 1.0, flip=False, cutmix=1.0)
    mixed = 0
    for images, labels in batches(flat_part(), augmentation):
        classes = np.round(images[..., 0] / 60)
        np.testing.assert_allclose(images[..., 0], 60 * classes, atol=1e-3)
        for drawn, label in zip(classes, labels, strict=True):
            shares = [(drawn == each).mean() for each in range(CLASSES)]
            # Edges are rounded to whole pixels of 16.
            np.testing.assert_allclose(shares, label, atol=0.13)
        mixed += (labels.max(axis=1) < 0.99).sum()
    assert mixed > 10


def test_a_batch_is_blended_or_pasted():
    """With both, each batch draws which, and both occur."""
    augmentation = Augmentation(1.0, 1.0, flip=False, mixup=0.5, cutmix=1.0)
    pasted = [
        np.allclose(images, 60 * np.round(images / 60), atol=1e-3)
        for images, _ in batches(flat_part(), augmentation, range(4))
    ]
    assert 0 < sum(pasted) < len(pasted)


def test_unlabelled_images_are_cropped_only():
    augmentation = make_augmentation("strong", Augmentation())
    found = batches(flat_part(), augmentation, unlabelled=flat_part(12))
    for inputs, labels in found:
        beside = inputs["unlabelled"]
        assert (beside == beside[:, :1, :1]).all()
        assert labels.shape == (10, CLASSES)


def test_a_batch_that_a_filter_makes_smaller():
    kept = SampleFilter(40)
    kept.kept = np.arange(40) < 13
    augmentation = make_augmentation("strong", Augmentation())
    found = batches(noise_part(), augmentation, sample_filter=kept)
    assert sum(len(labels) for _, labels in found) == 13


@pytest.mark.parametrize(
    "name, parts",
    [
        ("none", None),
        ("light", ()),
        ("strong", ("rand_augment", "random_erasing", "mixup")),
        ("cutmix + mixup+cutmix", ("cutmix", "mixup")),
    ],
)
def test_names(name, parts):
    assert check_augment(name) == parts
    base = Augmentation(0.64, 1.0, flip=False)
    made = make_augmentation(name, base)
    if parts is None:
        assert made is None
        return
    changes = {part: PARTS[part] for part in parts}
    assert made == dataclasses.replace(base, **changes)
    assert made.mixes == bool({"mixup", "cutmix"} & set(parts))


@pytest.mark.parametrize("name", ["strog", "mixup+light", "", True, None])
def test_unknown_names_are_refused(name, tmp_path):
    for ask in (
        check_augment,
        lambda augment: apps.load_image_folder(tmp_path, 16, augment=augment),
    ):
        with pytest.raises(ValueError, match="no augment of that name.*Rec"):
            ask(name)
    with pytest.raises(ValueError, match="Did you mean 'strong'"):
        check_augment("strog")


@pytest.mark.parametrize("name", ["light+mixup", "cutmix+strong", "mixup+"])
def test_what_cannot_be_joined_is_not_proposed(name):
    """The whole name is told, and the parts that there are alone."""
    with pytest.raises(ValueError, match="Expected") as error:
        check_augment(name)
    said = str(error.value)
    assert said.endswith(f"Received: augment={name!r}")
    known = said.partition("Expected one of ")[2].partition(". Rec")[0]
    assert known.split(", ") == sorted(PARTS)
    for whole in ("none", "light", "strong"):
        assert f"mean {whole!r}" not in said


@pytest.mark.parametrize("name", list(vars(Augmentation())))
@pytest.mark.parametrize("value", [-0.1, float("nan"), "no", None])
def test_values_out_of_range_are_refused_by_name(name, value):
    """Before any image is drawn, and not by the layer that gets them."""
    with pytest.raises(ValueError, match=f"`{name}` must be.*Received: {name}"):
        Augmentation(**{name: value})


@pytest.mark.parametrize(
    "name, value",
    [
        ("min_area", 0),
        ("min_area", 1.1),
        ("max_aspect", 0.9),
        ("rand_augment", 1.1),
        ("random_erasing", 2),
        ("cutmix", 1.5),
        ("mixup", float("inf")),
    ],
)
def test_the_ends_of_what_can_be_asked_for(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        Augmentation(**{name: value})
    Augmentation(1, 1, np.True_, 1, 1, 3, 1)


def test_what_is_said_of_it():
    assert describe_augmentation(None) == "Training images are not augmented."
    light = Augmentation(flip=False)
    assert describe_augmentation(light) == (
        "Training images are randomly cropped."
    )
    every = make_augmentation("+".join(PARTS), Augmentation())
    assert describe_augmentation(every) == (
        "Training images are randomly cropped, mirrored, distorted "
        "(RandAugment), partly erased, blended in pairs (MixUp) and pasted "
        "into each other (CutMix)."
    )
