"""Where a network's classifier is, and what it reads."""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import layers
from keras import ops

from kerastl.surgery.flat_graph import FlatCall
from kerastl.surgery.flat_graph import FlatGraph
from kerastl.surgery.graph import input_operation
from kerastl.surgery.score_kind import LOGITS
from kerastl.surgery.score_kind import OTHER
from kerastl.surgery.score_kind import PROBABILITIES
from kerastl.surgery.score_kind import SIGMOID
from kerastl.surgery.score_kind import ScoreKind
from kerastl.surgery.score_kind import score_kind
from kerastl.surgery.score_kind import sums_to_constant

_CLASSIFIERS = (layers.Dense, layers.Conv2D)
_DROPOUT = (
    layers.AlphaDropout,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.SpatialDropout2D,
)
_POOLING = (
    layers.AveragePooling2D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.MaxPooling2D,
)
_NORMALIZATION = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.RMSNormalization,
    layers.UnitNormalization,
)
# Stands for an unknown height or width.
_UNKNOWN_SIZE = 4
# The way from classifier to output is shorter than this.
_MOST_CALLS = 40


class Head(NamedTuple):
    """The end of a network.

    Args:
        layer: The classifier, a `Dense` or a `Conv2D`; `None` where the
            model ends in features.
        tap: Name of the layer whose output the classifier reads, the dropout
            in front of it left out: the embedding. The last layer where there
            is no classifier.
    """

    layer: keras.layers.Layer | None
    tap: str


class Classifier(NamedTuple):
    """The call of a classifier in the opened graph of a network.

    Args:
        layer: its layer, of any type; `None` where the model ends in features.
        kind: the `ScoreKind` of what follows the layer, its own activation
            included.
        path: the calls of nested models that lead to the features, from the
            outside in.
        features: the tensor that the classifier reads, dropout left out.
        tap: name of the operation that makes `features`.
    """

    layer: keras.layers.Layer | None
    kind: ScoreKind
    path: tuple
    features: keras.KerasTensor
    tap: str


def find_head(model: keras.Model) -> Head:
    """Finds the classifier of a network, nested ones included.

    The classifier is the last layer with weights, where what follows it makes
    probabilities, logarithms of them or logits. What follows is measured, so
    that it may be layers, `keras.ops`, a temperature, a normalization or
    arithmetic. A `Dense` behind which a normalization ends the network makes
    an embedding and is no classifier.

    Args:
        model: A functional or built sequential `keras.Model` with one output.

    Returns:
        A `Head`: the classifier's layer and the name of the layer it reads.

    Raises:
        ValueError: If the model is subclassed, has several outputs or several
            classifiers, or one that is neither `Dense` nor `Conv2D`.

    Example:

    >>> source = keras.applications.MobileNetV2(weights="imagenet")
    >>> kerastl.surgery.find_head(source).tap
    'global_average_pooling2d'
    """
    found = find_classifier(model)
    if found.layer is not None and not isinstance(found.layer, _CLASSIFIERS):
        raise ValueError(
            "The classifier of the network is neither a `Dense` layer nor a "
            "convolution, so its weights cannot be read as one row a class. "
            "Give the network another one with `kerastl.replace_head`. "
            f"Received: model={model.name!r}, classifier="
            f"{found.layer.name!r} (of type {type(found.layer).__name__})"
        )
    return Head(found.layer, found.tap)


def find_classifier(model) -> Classifier:
    """The classifier of a network, and the tensor of features that it reads.

    Args:
        model: A functional or built sequential `keras.Model` with one output.

    Returns:
        A `Classifier`.

    Raises:
        ValueError: If the model is subclassed, or has several outputs or
            several classifiers.
    """
    graph = FlatGraph(model)
    if len(graph.outputs) != 1:
        raise ValueError(
            "A head can be found on a model with one output. Cut the model "
            "first: `keras.Model(model.inputs, model.get_layer(...).output)`. "
            f"Received: model {model.name!r} with {len(graph.outputs)} outputs"
        )
    (output,) = graph.outputs
    ends, behind = _last_weights(graph, output)
    if len(ends) > 1:
        _refuse_several(model, graph, ends, behind, output)
    elif (
        ends
        and (call := graph.maker(ends[0]))
        and (kind := _kind_if_classifier(graph, ends[0], behind, output))
    ):
        return _classifier(graph, call.operation, kind, call.inputs[0])
    return _classifier(graph, None, ScoreKind(OTHER, None), output)


def _classifier(graph, layer, kind, number):
    if layer is not None:
        while (call := graph.maker(number)) and _is_dropout(call):
            number = call.inputs[0]
    path, tensor = graph.places[number]
    call = graph.maker(number)
    operation = call.operation if call else input_operation(tensor)
    return Classifier(layer, kind, path, tensor, operation.name)


def _last_weights(graph, output) -> tuple[list, list[FlatCall]]:
    """Goes back from the output to the last layers with weights.

    Returns:
        The numbers of what they make, and the calls between those and the
        output, in execution order. No numbers where the way leads to an
        input, or is too long to be that of a classifier.
    """
    open_ends, ends, behind = {output}, [], []
    for call in reversed(graph.calls):
        if not open_ends.intersection(call.outputs):
            continue
        if not _passes(call):
            ends += [n for n in call.outputs if n in open_ends]
            open_ends.difference_update(call.outputs)
        else:
            behind.append(call)
            open_ends.difference_update(call.outputs)
            open_ends.update(call.inputs)
        if not open_ends or len(behind) > _MOST_CALLS:
            break
    return ([] if open_ends else ends), behind[::-1]


def _passes(call):
    """Whether a call may stand between classifier and output.

    It has no weights, or at most a few for each channel: a normalization, a
    learned temperature.
    """
    operation = call.operation
    if isinstance(operation, _CLASSIFIERS):
        return False
    channels = max(
        (t.shape[axis] or 0 for t in call.node.inputs for axis in (1, -1)),
        default=0,
    )
    return all(
        math.prod(weight.shape) <= channels
        for weight in getattr(operation, "weights", ())
    )


def _kind_if_classifier(graph, end, behind, output):
    """The kind of the output behind a layer that is a classifier, or `None`."""
    call = graph.maker(end)
    if len(call.outputs) != 1 or len(call.inputs) != 1:
        return None
    layer = call.operation
    kind = _measured(graph, [end], behind, output)
    if kind.name == PROBABILITIES:
        return kind
    is_point = isinstance(layer, layers.Dense) or (
        isinstance(layer, layers.Conv2D) and tuple(layer.kernel_size) == (1, 1)
    )
    if kind.name == SIGMOID:
        return kind if is_point else None
    if kind.name != LOGITS or not is_point:
        return None
    # Without a softmax these may be features: a linear convolution in front
    # of the pooling, a normalized embedding.
    between = [each.operation for each in behind]
    if any(isinstance(each, (*_POOLING, *_NORMALIZATION)) for each in between):
        return None
    shape = graph.tensor(end).shape
    is_vector = len(graph.tensor(output).shape) == 2
    single = len(shape) == 2 or set(spatial_size(shape)) == {1}
    return kind if is_vector and single else None


def spatial_size(shape):
    """Height and width, or the like, of a feature map's shape."""
    if keras.config.image_data_format() == "channels_first":
        return shape[2:]
    return shape[1:-1]


def _measured(graph, ends, behind, output) -> ScoreKind:
    run = _function(graph, ends, behind, output)
    rank = len(graph.tensor(ends[0]).shape)
    first = keras.config.image_data_format() == "channels_first"
    return score_kind(
        lambda scores: run([scores]),
        _known_shape(graph, ends[0]),
        axis=1 if first and rank == 4 else -1,
        half="16" in graph.tensor(ends[0]).dtype,
    )


def _function(graph, ends, behind, output):
    """What the network computes of the scores that its last layers make."""

    def run(scores):
        values = {}
        for end, array in zip(ends, scores, strict=True):
            dtype = graph.tensor(end).dtype
            value = ops.cast(ops.convert_to_tensor(array), dtype)
            activation = getattr(graph.maker(end).operation, "activation", None)
            values[end] = activation(value) if activation else value
        for call in behind:
            if _is_dropout(call) or _is_transparent(call):
                values[call.outputs[0]] = values[call.inputs[0]]
            else:
                call.repeat(values)
        return ops.convert_to_numpy(ops.cast(values[output], "float32"))

    return run


def _refuse_several(model, graph, ends, behind, output):
    """Refuses a network whose output is made of several classifiers.

    Several branches of features, such as those of a residual block, are none.
    """
    run = _function(graph, ends, behind, output)
    generator = np.random.default_rng(0)
    scores = [
        generator.uniform(-1, 1, (2, *_known_shape(graph, end))) for end in ends
    ]
    if not (
        sums_to_constant(run(scores))
        or _adds_logits(graph, ends, run, scores, output)
    ):
        return
    names = sorted({graph.maker(end).operation.name for end in ends})
    raise ValueError(
        "The model's output is put together from several classifiers, and one "
        "cannot take the place of them all. Cut the model in front of them: "
        "`keras.Model(model.inputs, model.get_layer(...).output)`. "
        f"Received: model={model.name!r}, classifiers={names}"
    )


def _adds_logits(graph, ends, run, scores, output):
    """Whether the output is a sum or mean of several `Dense` layers' logits."""
    shapes = {tuple(graph.tensor(end).shape) for end in (*ends, output)}
    if len(shapes) != 1 or any(
        not isinstance(graph.maker(end).operation, layers.Dense) for end in ends
    ):
        return False

    def alone(place):
        def function(array):
            others = [np.zeros_like(array) for _ in scores]
            others[place] = array
            return run(others)

        return function

    shape = _known_shape(graph, ends[0])
    return all(
        score_kind(alone(place), shape).name == LOGITS
        for place in range(len(ends))
    )


def _known_shape(graph, number):
    shape = graph.tensor(number).shape[1:]
    return tuple(_UNKNOWN_SIZE if size is None else size for size in shape)


def _is_dropout(call):
    return isinstance(call.operation, _DROPOUT)


def _is_transparent(call):
    # Such as the quantizers of `kerastl.export.quantization_aware`.
    return getattr(call.operation, "transparent", False)
