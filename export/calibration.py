"""Chooses the images that set the activation ranges, and checks them."""

import math
import warnings

import keras
import numpy as np

from kerastl.export.image_batches import ImageBatches
from kerastl.export.lower import walk_layers

# A network fed images in 0..1 where it expects 0..255 sees them squeezed
# into 1/255 of the range; real photos, however dark, span far more.
_SMALLEST_SPAN = 0.05
# The other way round: 0..255 where 0..1 was expected.
_LARGEST_VALUE = 100.0
# How many images to look at for each that is kept, before giving up on
# finding every class.
_PATIENCE = 20


def choose_calibration(data, lowered, num_calibration=200):
    """Returns up to `num_calibration` images, spread evenly over the classes.

    Args:
        data: Anything that `ImageBatches` takes. Without labels, the first
            images are taken.
        lowered: `Lowered` model that the images are for.
        num_calibration: How many images to take at most.

    Returns:
        Array of shape `(n, height, width, channels)`, float32.

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
    images = _spread(batches, num_calibration, max(lowered.num_classes, 2))
    problem = _range_problem(images, lowered.model)
    if problem:
        raise ValueError(f"The images in `calibration` {problem}")
    return images


def warn_of_range(images, model, name):
    """Warns if `images` do not fit the model's own preprocessing.

    A warning and not an error, because one batch may be a black frame.
    """
    problem = _range_problem(images, model)
    if problem:
        warnings.warn(f"The images in `{name}` {problem}", stacklevel=4)


def _range_problem(images, model):
    """Says what is wrong with the range of `images`, or returns `None`.

    They are compared with the first `Rescaling` or `Normalization` layer of
    `model`; a model without one accepts any range.
    """
    layer, scale, offset = _input_scaling(model)
    if layer is None:
        return None
    low, high = float(images.min()), float(images.max())
    ends = np.concatenate(
        [np.ravel(low * scale + offset), np.ravel(high * scale + offset)]
    )
    received = (
        f"Received: values from {low:.4g} to {high:.4g}, which the layer "
        f"'{layer.name}' turns into {ends.min():.4g} to {ends.max():.4g}"
    )
    if (high - low) * float(np.abs(scale).max()) < _SMALLEST_SPAN:
        return (
            "lie in too small a range for the model's own preprocessing, so "
            "that nearly all of them would become one value. Give images as "
            "the model takes them (most often 0 to 255, not 0 to 1). "
            f"{received}"
        )
    if np.abs(ends).max() > _LARGEST_VALUE and not np.all(scale == 1):
        return (
            "lie in too large a range for the model's own preprocessing. "
            "Give images as the model takes them (here most likely 0 to 1, "
            f"not 0 to 255). {received}"
        )
    return None


def stretch_to_pixel_range(images):
    """Returns 8-bit images whose set spans exactly 0 to 255.

    The measured input range becomes the input quantization. Only with the
    whole range is its scale 1 and its zero point -128, so that a camera's
    bytes can be fed by subtracting 128. The set's own darkest and brightest
    value are moved, which no activation range notices. Images that are not
    in 0..255 are returned as they are.
    """
    low, high = images.min(), images.max()
    if low < 0 or high <= 1 or high > 255:
        return images
    images = images.copy()
    images.flat[images.argmin()] = 0.0
    images.flat[images.argmax()] = 255.0
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
                chosen.append(image)
            elif len(spare) < count:
                spare.append(image)
        seen += len(images)
        if len(chosen) >= count or seen >= _PATIENCE * count:
            break
    return np.stack((chosen + spare)[:count])


def _input_scaling(model):
    """Returns the first scaling layer with its scale and offset."""
    for layer in walk_layers(model):
        if isinstance(layer, keras.layers.Rescaling):
            return layer, np.asarray(layer.scale), np.asarray(layer.offset)
        if isinstance(layer, keras.layers.Normalization):
            deviation = np.sqrt(keras.ops.convert_to_numpy(layer.variance))
            scale = 1.0 / np.maximum(deviation, keras.config.epsilon())
            mean = keras.ops.convert_to_numpy(layer.mean)
            return layer, scale, -mean * scale
        if layer.weights:
            return None, None, None
    return None, None, None
