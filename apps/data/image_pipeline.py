"""From an `ImagePart` to `tf.data` batches."""

import contextlib
import itertools
import math
import os

import numpy as np

from kerastl.apps.data.augmentation import PARTS


def batch_bounds(count, batch_size):
    """Where the batches begin and end that `count` images are spread over.

    100 images in batches of at most 32 are four of 24 and 26. The statistics
    of a rest of 4 would count as much in the moving averages of
    BatchNormalization as those of 32, and its gradient as much in a step.

    An even `batch_size` gives even batches, but for the last: with an odd
    number of images oneDNN, in TensorFlow 2.21 on a CPU, writes past the end
    in the gradient of a 1x1 convolution with stride 2 and few channels.

    Args:
        count: Number of images.
        batch_size: Most images in a batch.

    Returns:
        `int64` array `(number of batches + 1,)`: 0, the ends of the batches,
        whose sizes differ by one at most, by two if `batch_size` is even.
    """
    steps = math.ceil(count / batch_size)
    unit = 2 if batch_size % 2 == 0 else 1
    units = math.ceil(count / unit)
    bounds = unit * (np.arange(steps + 1) * units // max(1, steps))
    return np.minimum(bounds, count)


def training_batches(
    part,
    image_size,
    batch_size,
    augmentation,
    seed,
    epochs=None,
    with_index=False,
    unlabelled=None,
    sample_filter=None,
    num_classes=None,
):
    """Makes shuffled, augmented batches; every epoch has its own order.

    What an epoch draws depends on the seed and on its number only, so that a
    resumed training sees the batches that an uninterrupted one would.

    Args:
        part: An `ImagePart`.
        image_size: Height and width of the images in the batches.
        batch_size: Most images in a batch, see `batch_bounds`.
        augmentation: An `Augmentation`, or `None` for centre crops.
        seed: Seed of order and augmentation.
        epochs: Iterator of epoch numbers. Every pass over the dataset takes
            the next one. Defaults to 0, 1, 2...
        with_index: Whether the batches tell each image's place in `part`.
        unlabelled: An `ImagePart` of which every batch gets as many images
            as the largest batch has of its own; its labels do not count.
            They are cropped and mirrored; nothing else is done to them.
        sample_filter: A `kerastl.data.SampleFilter` that is asked at the
            start of every pass which images take part, or `None`.
        num_classes: Number of classes, for an augmentation that mixes images.

    Returns:
        A `tf.data.Dataset` of `(float32 images 0..255, int32 labels)`, or
        float32 labels `(batch, num_classes)` where images are mixed; with
        an index or unlabelled images, the images are a dict of `"images"` and
        `"index"` or `"unlabelled"`.
    """
    from kerastl.data.batches import joined

    tf = data_tensorflow()
    epochs = itertools.count() if epochs is None else epochs
    steps = math.ceil(len(part) / batch_size)

    def draw(_):
        epoch = next(epochs)
        generator = np.random.default_rng((seed, epoch))
        order = generator.permutation(len(part))
        seeds = generator.integers(2**31, size=(steps, 2))
        if sample_filter is not None:
            order = order[sample_filter.kept[order]]
        bounds = batch_bounds(len(order), batch_size)
        seeds = seeds[: len(bounds) - 1]
        more = np.zeros((len(seeds), 0))
        if unlabelled is not None:
            size = np.diff(bounds).max(initial=0)
            more = _draw_evenly(generator, len(unlabelled), (len(seeds), size))
        return tuple(
            value.astype("int64") for value in (order, bounds, seeds, more)
        )

    def draw_epoch(start):
        order, bounds, seeds, more = tf.numpy_function(
            draw, [start], [tf.int64] * 4
        )
        order = tf.ensure_shape(order, [None])
        bounds = tf.ensure_shape(bounds, [None])
        seeds = tf.ensure_shape(seeds, [None, 2])
        more = tf.ensure_shape(more, [None, None])

        def cut_out(first, end, *drawn):
            return order[first:end], *drawn

        return tf.data.Dataset.from_tensor_slices(
            (bounds[:-1], bounds[1:], seeds, more)
        ).map(cut_out)

    # Drawn inside the dataset, so anew at the start of every pass.
    batches = tf.data.Dataset.range(1).flat_map(draw_epoch)
    if sample_filter is None:
        batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    read = _reader(part)
    read_more = unlabelled and _reader(unlabelled)
    cut = _cutter(image_size, augmentation)
    change = _changer(augmentation, image_size, num_classes)

    def make(indices, batch_seed, more):
        images, labels = read(indices)
        inputs = cut(images, batch_seed)
        inputs, labels = change(inputs, labels, batch_seed)
        if unlabelled is not None:
            beside = cut(read_more(more)[0], batch_seed + 1)
            inputs = joined(inputs, "unlabelled", beside)
        if with_index:
            inputs = joined(inputs, "index", tf.cast(indices, tf.int32))
        return inputs, labels

    return prefetch_batches(batches.map(make, os.cpu_count()))


def _draw_evenly(generator, count, shape):
    """Draws indices below `count`, all before any comes again."""
    size = math.prod(shape)
    passes = math.ceil(size / count)
    drawn = [generator.permutation(count) for _ in range(passes)]
    return np.concatenate(drawn)[:size].reshape(shape)


def evaluation_batches(part, image_size, batch_size, order=None):
    """Makes batches of centre crops, in the given order.

    Returns:
        A `tf.data.Dataset` of `(float32 images 0..255, int32 labels)`.
    """
    tf = data_tensorflow()
    if order is None:
        indices = tf.data.Dataset.range(len(part))
    else:
        indices = tf.data.Dataset.from_tensor_slices(order)
    batches = indices.batch(batch_size).map(_reader(part), os.cpu_count())
    return prefetch_batches(batches.map(_centre_crop(image_size)))


def _reader(part):
    import tensorflow as tf

    labels = tf.constant(part.labels)

    def read(indices):
        images = tf.numpy_function(part.read, [indices], tf.uint8)
        images.set_shape([None, part.size, part.size, 3])
        return images, tf.gather(labels, indices)

    return read


def _cutter(size, augmentation):
    """The function that cuts images of `size` out, from a seed."""
    crop = _centre_crop(size)

    def cut(images, seed):
        if augmentation is None:
            return crop(images, None)[0]
        return _random_crops(images, seed, size, augmentation)

    return cut


def _changer(augmentation, image_size, num_classes):
    """The function that does to a batch what crops and mirrors do not."""
    if augmentation is None or not any(
        getattr(augmentation, name) for name in PARTS
    ):
        return lambda images, labels, seed: (images, labels)
    # Imports Keras, which data that is only read does without.
    from kerastl.apps.data.strong_augmentation import StrongAugmentation

    return StrongAugmentation(augmentation, image_size, num_classes)


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


_AHEAD = 2


def prefetch_batches(batches):
    """Makes the next batches in the background, without an autotuner.

    The thread of `tf.data`'s autotuner sleeps for a time that doubles, to 0.6
    and 1.3 seconds, and the end of a pass waits for it: a short epoch would
    take up to twice its time (tests/benchmarks/short_epochs.py).

    Args:
        batches: A `tf.data.Dataset`.

    Returns:
        A `tf.data.Dataset` of the same batches.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(_AHEAD).with_options(options)


def data_tensorflow():
    """Imports TensorFlow, and leaves accelerators to Keras's own backend.

    TensorFlow takes all the memory of the GPUs that it sees with its first
    tensor. Where Keras runs on another backend, that needs it.

    Returns:
        The module `tensorflow`.
    """
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        # Too late where TensorFlow has started: then the user wants it so.
        with contextlib.suppress(RuntimeError):
            tf.config.set_visible_devices([], "GPU")
    return tf
