"""Chooses the images that a file is calibrated and compared on."""

import math
import warnings

import keras
import numpy as np

from kerastl.arguments import checked_number
from kerastl.export.conversion.image_range import byte_span
from kerastl.export.conversion.image_range import plausible_range
from kerastl.export.conversion.image_range import range_problem
from kerastl.export.runners.image_batches import ImageBatches
from kerastl.export.runners.keras_calls import keras_calls
from kerastl.surgery import graph

_NUM_RANDOM = 32
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
            "the file: give 100 to 500 of the training set (a run takes them "
            "from its training photos).",
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


_NUM_IMAGES = 8


def check_finite(model, images=None):
    """Raises an error if weights or activations are NaN or infinite.

    A converter would write such a model without complaint: one NaN in a
    calibration run makes a whole range of activations meaningless.

    Args:
        model: Functional model.
        images: Images to run it on, a few of which are; `None` looks at the
            weights alone.

    Raises:
        ValueError: With the name of the layer, the first one in the order in
            which they run.
    """
    for _, node in graph.walk(model):
        for weight in getattr(node.operation, "weights", ()):
            _check(
                keras.ops.convert_to_numpy(weight),
                f"The weights '{weight.name}' of the layer '{node.path}'",
                "Training has diverged: go back to an earlier checkpoint, or "
                "train with a lower learning rate.",
            )
    if images is None:
        return
    calls, _ = keras_calls(model)
    values = {0: np.asarray(images[:_NUM_IMAGES])}
    last_readers = {}
    for call in calls:
        last_readers.update(dict.fromkeys(call.inputs, call))
    for call in calls:
        values.update(call.run(values))
        for place in call.outputs:
            _check(
                values[place],
                f"The outputs of the layer '{call.path}' for the images given",
                "Look at what it is given: a logarithm of zero, a division "
                "by zero, or weights so large that they overflow.",
            )
        for place in set(call.inputs):
            if last_readers[place] is call:
                del values[place]


def _check(values, what, advice):
    if np.issubdtype(values.dtype, np.floating):
        wrong = int(values.size - np.isfinite(values).sum())
        if wrong:
            raise ValueError(
                f"{what} hold NaN or infinite values, so that no file can be "
                f"written from the model. {advice} "
                f"Received: {wrong} of {values.size} values"
            )


def check_max_drop(max_accuracy_drop):
    """Raises `ValueError` if that is no share of accuracy to lose."""
    if max_accuracy_drop is None:
        return
    try:
        checked_number("max_accuracy_drop", max_accuracy_drop, 0, below=1)
    except ValueError:
        raise ValueError(
            "`max_accuracy_drop` is a fraction: 0.01 allows one point. "
            f"Received: max_accuracy_drop={max_accuracy_drop!r}"
        ) from None


def evaluation_batches(evaluation, lowered, max_accuracy_drop):
    """Returns `ImageBatches` to compare a file on, `None` without images.

    Raises:
        ValueError: If an accuracy cannot be measured on them.
    """
    check_max_drop(max_accuracy_drop)
    batches = None
    if max_accuracy_drop is not None and hasattr(evaluation, "__next__"):
        # Gone through twice where the refined file is refused.
        evaluation = list(evaluation)
    if evaluation is not None:
        batches = ImageBatches(
            evaluation, lowered.input_shape, lowered.num_classes, "evaluation"
        )
        if batches.infinite:
            raise ValueError(
                "The dataset in `evaluation` never ends. Leave out "
                "`.repeat()`, or cut it with `.take(n)`."
            )
        warn_of_range(batches.first[0], lowered.model, "evaluation")
    if max_accuracy_drop is not None and not (batches and batches.has_labels):
        raise ValueError(
            "`max_accuracy_drop` needs labelled images to measure the drop. "
            "Pass `evaluation=`, a dataset of (images, labels). Received: "
            f"max_accuracy_drop={max_accuracy_drop}, evaluation="
            f"{'without labels' if batches else None}"
        )
    return batches


def choose_reference(batches, images, lowered):
    """Chooses what the file is compared on, and says which it was."""
    if batches is not None:
        return "evaluation", batches
    reference = "calibration"
    if images is None:
        span = plausible_range(lowered.source, lowered.input_shape)
        reference, images = "random", random_images(lowered, _NUM_RANDOM, span)
    return reference, ImageBatches(
        images, lowered.input_shape, lowered.num_classes, reference
    )


def random_images(lowered, count, span=(0, 255)):
    """Returns images that are always the same, for want of photos."""
    generator = np.random.default_rng(0)
    shape = (count, *lowered.input_shape)
    return generator.uniform(*span, shape).astype("float32")
