"""From an `ImagePart` to `tf.data` batches."""

import itertools
import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Augmentation:
    """Random crops and mirror images, drawn anew for every image and epoch.

    Args:
        min_area: Smallest area of a crop, as a share of the stored image.
        max_aspect: Largest ratio of a crop's sides.
        flip: Whether half of the images are mirrored left to right. Turn it
            off where left and right mean something, as in digits and signs.
    """

    min_area: float = 0.5
    max_aspect: float = 1.25
    flip: bool = True


def training_batches(
    part, image_size, batch_size, augmentation, seed, epochs=None
):
    """Makes shuffled, augmented batches; every epoch has its own order.

    What an epoch draws depends on the seed and on its number only, so that a
    resumed training sees the batches that an uninterrupted one would.

    Args:
        part: An `ImagePart`.
        image_size: Height and width of the images in the batches.
        batch_size: Images in a batch; the last batch may be smaller.
        augmentation: An `Augmentation`, or `None` for centre crops.
        seed: Seed of order and augmentation.
        epochs: Iterator of epoch numbers. Every pass over the dataset takes
            the next one. Defaults to 0, 1, 2...

    Returns:
        A `tf.data.Dataset` of `(float32 images 0..255, int32 labels)`.
    """
    import tensorflow as tf

    epochs = itertools.count() if epochs is None else epochs
    steps = math.ceil(len(part) / batch_size)

    def draw(_):
        generator = np.random.default_rng((seed, next(epochs)))
        order = generator.permutation(len(part))
        seeds = generator.integers(2**31, size=(steps, 2))
        return order.astype("int64"), seeds.astype("int64")

    def draw_epoch(start):
        order, seeds = tf.numpy_function(draw, [start], (tf.int64, tf.int64))
        order = tf.ensure_shape(order, [len(part)])
        seeds = tf.ensure_shape(seeds, [steps, 2])
        slices = tf.data.Dataset.from_tensor_slices
        return tf.data.Dataset.zip(
            (slices(order).batch(batch_size), slices(seeds))
        )

    # Drawn inside the dataset, so anew at the start of every pass.
    batches = tf.data.Dataset.range(1).flat_map(draw_epoch)
    batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    read = _reader(part)
    crop = _centre_crop(image_size)

    def make(indices, batch_seed):
        images, labels = read(indices)
        if augmentation is None:
            return crop(images, labels)
        images = _random_crops(images, batch_seed, image_size, augmentation)
        return images, labels

    return batches.map(make, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(part, image_size, batch_size, order=None):
    """Makes batches of centre crops, in the given order.

    Returns:
        A `tf.data.Dataset` of `(float32 images 0..255, int32 labels)`.
    """
    import tensorflow as tf

    if order is None:
        indices = tf.data.Dataset.range(len(part))
    else:
        indices = tf.data.Dataset.from_tensor_slices(order)
    batches = indices.batch(batch_size).map(_reader(part), tf.data.AUTOTUNE)
    batches = batches.map(_centre_crop(image_size))
    return batches.prefetch(tf.data.AUTOTUNE)


def _reader(part):
    import tensorflow as tf

    labels = tf.constant(part.labels)

    def read(indices):
        images = tf.numpy_function(part.read, [indices], tf.uint8)
        images.set_shape([None, part.size, part.size, 3])
        return images, tf.gather(labels, indices)

    return read


def _centre_crop(size):
    import tensorflow as tf

    def crop(images, labels):
        start = (images.shape[1] - size) // 2
        images = images[:, start : start + size, start : start + size]
        return tf.cast(images, tf.float32), labels

    return crop


def _random_crops(images, seed, size, augmentation):
    """Cuts one random box out of every image and resizes it, in one op."""
    import tensorflow as tf

    count = tf.shape(images)[0]
    draws = tf.random.stateless_uniform([5, count], seed)
    area = augmentation.min_area + draws[0] * (1 - augmentation.min_area)
    spread = math.log(augmentation.max_aspect)
    root_aspect = tf.exp(0.5 * spread * (2 * draws[1] - 1))
    height = tf.minimum(tf.sqrt(area) / root_aspect, 1.0)
    width = tf.minimum(tf.sqrt(area) * root_aspect, 1.0)
    top = draws[2] * (1 - height)
    left = draws[3] * (1 - width)
    right = left + width
    if augmentation.flip:
        mirrored = draws[4] < 0.5
        left, right = (
            tf.where(mirrored, right, left),
            tf.where(mirrored, left, right),
        )
    boxes = tf.stack([top, left, top + height, right], axis=-1)
    return tf.image.crop_and_resize(
        images, boxes, tf.range(count), [size, size]
    )
