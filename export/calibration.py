"""Chooses the images that set the activation ranges, and checks them."""

import math
import warnings

import numpy as np

from kerastl.export.image_range import byte_span
from kerastl.export.image_range import range_problem
from kerastl.export.runners.image_batches import ImageBatches

# With fewer, an activation range hangs on what a few pictures show.
_FEWEST = 50
# How many images to look at for each that is kept, before giving up on
# finding every class.
_PATIENCE = 20


def choose_calibration(data, lowered, num_calibration=200, sets_ranges=True):
    """Returns up to `num_calibration` images, spread evenly over the classes.

    Args:
        data: Anything that `ImageBatches` takes. Without labels, the first
            images are taken.
        lowered: `Lowered` model that the images are for.
        num_calibration: How many images to take at most.
        sets_ranges: Whether they set the ranges of activations. Otherwise the
            file is only compared on them, for which a few do.

    Returns:
        Array of shape `(n, height, width, channels)`, float32, stretched by
        `stretch_to_pixel_range`.

    Warns:
        UserWarning: If they set ranges and are few, or of one class alone.

    Raises:
        ValueError: If `data` is empty, of another shape, or in a range that
            the model's own preprocessing does not expect.
    """
    if num_calibration < 1:
        raise ValueError(
            "`num_calibration` must be at least 1. "
            f"Received: num_calibration={num_calibration}"
        )
    batches = ImageBatches(
        data, lowered.input_shape, lowered.num_classes, "calibration"
    )
    images, labels = spread_images(batches, lowered, num_calibration)
    if sets_ranges:
        _warn_of_sample(labels, len(images), max(lowered.num_classes, 2))
    return stretch_to_pixel_range(images, batches.dtype, lowered.source)


def spread_images(batches, lowered, count):
    """Returns up to `count` images, spread over the classes, and labels.

    Args:
        batches: `ImageBatches` of the images.
        lowered: `Lowered` model that the images are for.
        count: How many images to take at most.

    Returns:
        Array of images and tuple of labels, `None` for data without.

    Raises:
        ValueError: If the data does not fit the model.
    """
    images, labels = _spread(batches, count, max(lowered.num_classes, 2))
    problem = range_problem(images, lowered.model)
    if problem:
        raise ValueError(f"The images in `{batches.name}` {problem}")
    return images, labels


def warn_of_range(images, model, name):
    """Warns if `images` do not fit the model's own preprocessing.

    A warning and not an error, because one batch may be a black frame.
    """
    problem = range_problem(images, model)
    if problem:
        warnings.warn(f"The images in `{name}` {problem}", stacklevel=4)


def stretch_to_pixel_range(images, dtype="float32", model=None):
    """Returns 8-bit images whose set spans exactly what a byte can hold.

    The measured input range becomes the input quantization. Only with the
    whole range is its scale 1 and its zero point -128, so that a camera's
    bytes can be fed by subtracting 128. The set's own darkest and brightest
    value are moved, which no activation range notices. Images that are not
    known to be bytes are returned as they are: their scale is that of their
    values, as in any converter.

    Args:
        images: Array of images.
        dtype: What they were before they became float32.
        model: Model that they are for, or `None`.
    """
    span = byte_span(images.min(), images.max(), dtype, model)
    if span is None:
        return images
    images = images.copy()
    images.flat[images.argmin()], images.flat[images.argmax()] = span
    return images


def _spread(batches, count, num_classes):
    """Takes an equal share of each class, then fills up with the rest."""
    quota = math.ceil(count / num_classes) if batches.has_labels else count
    chosen, spare, taken, seen = [], [], {}, 0
    for images, labels in batches:
        for index, image in enumerate(images):
            label = 0 if labels is None else int(labels[index])
            if taken.get(label, 0) < quota:
                taken[label] = taken.get(label, 0) + 1
                chosen.append((image, label))
            elif len(spare) < count:
                spare.append((image, label))
        seen += len(images)
        if len(chosen) >= count or seen >= _PATIENCE * count:
            break
    images, labels = zip(*(chosen + spare)[:count], strict=True)
    return np.stack(images), labels if batches.has_labels else None


def _warn_of_sample(labels, count, num_classes):
    if count < _FEWEST:
        warnings.warn(
            f"Only {count} image{'' if count == 1 else 's'} in `calibration` "
            "set the activation ranges. What they do not show is cut off in "
            "the file: give 100 to 500 of the training set.",
            stacklevel=5,
        )
    classes = set(labels or ())
    if len(classes) == 1 and count > 1:
        warnings.warn(
            f"All {count} images in `calibration` are of 1 class (index "
            f"{classes.pop()}) of {num_classes}. What the other classes "
            "excite is cut off in the file: give images of every class.",
            stacklevel=5,
        )
