"""Tells whether images have the range of values that a model takes."""

import keras
import numpy as np

from kerastl.export.quantization.quantized_activation import ActivationQuantizer
from kerastl.export.runners.inference_model import walk_layers
from kerastl.surgery import graph
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.surgery.flat_graph import FlatGraph

# A network fed images in 0..1 where it expects 0..255 sees them squeezed
# into 1/255 of the range; real photos, however dark, span far more.
_SMALLEST_SPAN = 0.05
# The other way round: 0..255 where 0..1 was expected.
_LARGEST_VALUE = 100.0
# A preprocessing that maps these pixel values to about one takes 8-bit images.
_BYTE_REACH = (64, 512)
# Resizing overshoots black and white a little; bytes minus 128, or 16 bits,
# do not stop there.
_BYTE_LIMITS = (-64, 512)
# A wrong factor of 255 is one of 65,025 in the variance.
_LARGEST_VARIANCE_RATIO = 100.0
_NUM_VARIANCE_IMAGES = 16
# Grey levels, and the side of images that a model takes at any size.
_FLAT = (40.0, 100.0)
_ANY_SIZE = 64
_BYTES = (0, 255)
_SIGNED_BYTES = (-128, 127)
# Widening a range by this share costs less than one decibel.
_NEARLY_ALL = 0.9
# A preprocessing of bytes maps 255 to the end of its own range, or 256 to it.
_BYTE_ENDS = (254.0, 257.0)
# Means of bytes, over a whole set of photos, lie in the middle third.
_BYTE_MEANS = (85.0, 170.0)


def range_problem(images, model):
    """Says what is wrong with the range of `images`, or returns `None`.

    They are compared with the first `Rescaling` or `Normalization` layer of
    `model`. A model without one is asked how widely its first trained
    BatchNormalization saw its input vary.

    Args:
        images: Array of shape `(n, height, width, channels)`.
        model: Functional model that they are for.

    Returns:
        The end of a sentence that begins with "The images in `...`".
    """
    layer, scale, offset = _input_scaling(model)
    if layer is None:
        return _variance_problem(images, model)
    low, high = float(images.min()), float(images.max())
    ends = np.concatenate(
        [np.ravel(low * scale + offset), np.ravel(high * scale + offset)]
    )
    received = (
        f"Received: values from {low:.4g} to {high:.4g}, which the layer "
        f"'{layer.name}' turns into {ends.min():.4g} to {ends.max():.4g}"
    )
    # Beside a mean of 120 a span of 1 is as small as 1/120 beside 1.
    size = max(1.0, float(np.abs(ends).max()))
    if (high - low) * float(np.abs(scale).max()) < _SMALLEST_SPAN * size:
        return (
            "lie in too small a range for the model's own preprocessing, so "
            "that nearly all of them would become one value. Give images as "
            "the model takes them (most often 0 to 255, not 0 to 1 or -1 to "
            f"1). {received}"
        )
    if _takes_bytes(scale, offset):
        if low < _BYTE_LIMITS[0]:
            return (
                "go far below 0, while the model's own preprocessing takes 0 "
                "to 255. Give the bytes as they are, neither normalized nor "
                f"with 128 subtracted. {received}"
            )
        if high > _BYTE_LIMITS[1]:
            return (
                "lie in too large a range for the model's own preprocessing, "
                "which takes 0 to 255. Divide 16-bit images by 257. "
                f"{received}"
            )
    elif np.abs(ends).max() > _LARGEST_VALUE and not np.all(scale == 1):
        return (
            "lie in too large a range for the model's own preprocessing. "
            "Give images as the model takes them (here most likely 0 to 1, "
            f"not 0 to 255). {received}"
        )
    return None


def byte_span(low, high, dtype="float32", model=None):
    """Returns the range of the bytes that some images are, or `None`.

    A range of values alone says little: 0 to 1.02 is what bicubic resizing
    makes of images in 0 to 1, and 0 to 2.0 may be anything. Images are bytes
    where their dtype or that of the model's input says so, where they are
    for a model whose own preprocessing takes bytes, or where they reach so far
    that to take them for bytes costs less than one decibel.

    Args:
        low: Smallest value of the images.
        high: Largest value.
        dtype: What the images were before they became float32.
        model: Functional model that they are for, or `None`.

    Returns:
        `(0, 255)`, `(-128, 127)` or `None`.
    """
    dtypes = [str(dtype)]
    if model is not None:
        dtypes.append(str(model.inputs[0].dtype))
    if "int8" in dtypes and _SIGNED_BYTES[0] <= low and high <= 127:
        return _SIGNED_BYTES
    if low < 0 or high <= 1 or high > _BYTES[1]:
        return None
    whole = np.issubdtype(np.dtype(dtypes[0]), np.integer)
    if (
        whole  # each is a level of its own, with no error at all
        or "uint8" in dtypes
        or high >= _NEARLY_ALL * _BYTES[1]
        or (model is not None and preprocesses_bytes(model))
    ):
        return _BYTES
    return None


def plausible_range(model, shape):
    """Returns the range of values that a model most likely takes.

    That of its quantizer where it was trained quantization-aware, that of its
    input's dtype, and otherwise the first of 0 to 255, 0 to 1 and -1 to 1 in
    which `range_problem` finds none.

    Args:
        model: Functional model.
        shape: Shape of one image.
    """
    for layer in walk_layers(model):
        if isinstance(layer, ActivationQuantizer) and layer.images:
            return layer.range()
    if str(model.inputs[0].dtype) == "int8":
        return _SIGNED_BYTES
    noise = np.random.default_rng(0).uniform(0, 1, (4, *shape))
    noise = noise.astype("float32")
    for low, high in (_BYTES, (0, 1), (-1, 1)):
        if range_problem(low + (high - low) * noise, model) is None:
            return low, high
    return _BYTES


def preprocesses_bytes(model):
    """Whether the first layer of `model` scales values of 0 to 255.

    It does if it maps 0 and 255 to the ends of 0 to 1, -1 to 1 or -0.5 to
    0.5, or subtracts means that are those of bytes. The statistics of a
    `Normalization` are measured on images of any range, and say nothing.
    """
    layer, scale, offset = _input_scaling(model)
    if not isinstance(layer, keras.layers.Rescaling):
        return False
    scale, offset = np.broadcast_arrays(scale, offset)
    size = np.where(np.isclose(offset, -1.0), 2.0, 1.0)
    ends = size / scale
    if np.all(np.isin(np.round(offset, 6), (0.0, -0.5, -1.0))):
        return bool(np.all((_BYTE_ENDS[0] <= ends) & (ends <= _BYTE_ENDS[1])))
    means = -offset / scale
    return bool(np.all((_BYTE_MEANS[0] <= means) & (means <= _BYTE_MEANS[1])))


def _takes_bytes(scale, offset):
    reach = float(np.max((np.abs(offset) + 1) / np.abs(scale)))
    return _BYTE_REACH[0] <= reach <= _BYTE_REACH[1]


def _input_scaling(model):
    """Returns the layer that scales the images, with its scale and offset.

    `None` three times where the first one is given something else, such as
    images that arithmetic has scaled before, or not all of them.
    """
    layer, scale, offset = _first_scaling(model)
    if layer is None or not _is_given_the_images(layer, model):
        return None, None, None
    return layer, scale, offset


def _is_given_the_images(layer, model):
    """Whether images come to a layer as bright as they are, to it alone."""
    flat = FlatGraph(model)
    calls = [call for call in flat.calls if layer in _layers_of(call)]
    if not calls:
        return True
    [number, *_] = calls[0].inputs
    if sum(number in call.inputs for call in flat.calls) > 1:
        return False
    shape = [size or _ANY_SIZE for size in model.inputs[0].shape[1:]]
    images = np.ones((len(_FLAT), *shape)) * np.reshape(_FLAT, (-1, 1, 1, 1))
    # The model's one input has the number 0.
    values = {0: keras.ops.cast(images, model.inputs[0].dtype)}
    for call in flat.calls:
        if number in values:
            break
        if isinstance(call.operation, ActivationQuantizer):
            values[call.outputs[0]] = values[call.inputs[0]]
        else:
            call.repeat(values)
    found = keras.ops.convert_to_numpy(values[number]).astype("float32")
    # A border of zeros is no other image.
    brightest = found.reshape(len(_FLAT), -1).max(axis=1)
    return np.allclose(brightest, _FLAT, rtol=0.01)


def _layers_of(call):
    if not isinstance(call.operation, keras.Layer):
        return []
    return [call.operation, *graph.hidden_layers(call.operation)]


def _first_scaling(model):
    for layer in walk_layers(model):
        if isinstance(layer, ActivationQuantizer):
            continue
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


def _variance_problem(images, model):
    layer, before = _first_batch_norm(model)
    if layer is None:
        return None
    trained = keras.ops.convert_to_numpy(layer.moving_variance)
    if np.allclose(trained, 1.0):  # as it was made: it has seen nothing
        return None
    features = feature_extractor(model, [before])(
        images[:_NUM_VARIANCE_IMAGES], training=False
    )[before]
    seen = keras.ops.convert_to_numpy(
        keras.ops.var(features, axis=tuple(range(len(features.shape) - 1)))
    )
    ratio = float(np.median(seen / np.maximum(trained, 1e-12)))
    if 1 / _LARGEST_VARIANCE_RATIO <= ratio <= _LARGEST_VARIANCE_RATIO:
        return None
    low, high = float(images.min()), float(images.max())
    return (
        "are most likely not in the range that the model was trained on: "
        f"the input of its layer '{layer.name}' varies {ratio:.2g} times as "
        "much as in training. Give images as in training (0 to 255, 0 to 1 "
        f"or -1 to 1). Received: values from {low:.4g} to {high:.4g}"
    )


def _first_batch_norm(model):
    """Returns the layer and the name of the one before, where both are plain.

    Past a second layer with weights it is no longer the input's mirror.
    """
    names = [node.operation.name for _, node in graph.walk(model)]
    with_weights = 0
    for _, node in graph.walk(model):
        layer = node.operation
        if isinstance(layer, ActivationQuantizer):
            continue
        if isinstance(layer, keras.layers.BatchNormalization):
            before = graph.input_operation(node.inputs[0]).name
            if names.count(before) == 1 and layer.axis in (-1, 3):
                return layer, before
        with_weights += bool(getattr(layer, "weights", None))
        if with_weights > 1:
            break
    return None, None
