"""What the last operations of a network make of its outputs."""

import weakref
from typing import Literal

import keras
import numpy as np
from keras import layers

from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph

# By the name of a function, in the spelling of a Keras operation too.
_KINDS = {
    "softmax": "probabilities",
    "sparsemax": "probabilities",
    # The softmax of logarithms of probabilities gives them back.
    "logsoftmax": "logits",
    "sigmoid": "sigmoid",
    "hardsigmoid": "sigmoid",
}
# What leaves a distribution a distribution, and logits logits.
_PASSING_LAYERS = (
    layers.AveragePooling2D,
    layers.Dropout,
    layers.Flatten,
    layers.GlobalAveragePooling2D,
    layers.Identity,
    layers.Permute,
    layers.Reshape,
)
_PASSING = {
    "cast",
    "clip",
    "copy",
    "expanddims",
    "reshape",
    "squeeze",
    "stopgradient",
    "transpose",
}
# What makes other logits of logits, but no distribution of a distribution.
_SCALING_LAYERS = (
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.Rescaling,
    layers.UnitNormalization,
)
_SCALING = {"add", "divide", "multiply", "negative", "subtract", "truedivide"}
# Images that a network without a size of its own is asked about.
_SIDE = 128
_IMAGES = 8
_TOLERANCE = 1e-3
# What networks have answered: a compiled step cannot ask.
_ANSWERS = weakref.WeakKeyDictionary()


def output_kind(
    model: keras.Model,
) -> Literal["probabilities", "sigmoid", "logits"] | None:
    """Reads in a network what its outputs are, not what a loss takes them for.

    The last operations tell: layers, their activations, `keras.ops`, nested
    models. Where they do not, such as behind a layer of the user's, the
    network is asked about a few random images: numbers of 0 to 1 that sum to 1
    are probabilities, others are not.

    Args:
        model: A `keras.Model` with one output `(batch, classes)`.

    Returns:
        `"probabilities"` that sum to 1, `"sigmoid"` for numbers from 0 to 1
        each on its own, `"logits"`, or `None` where it cannot be told.

    Example:

    >>> features = keras.Input((8,))
    >>> logits = keras.layers.Dense(3)(features)
    >>> model = keras.Model(features, keras.ops.softmax(logits))
    >>> kerastl.surgery.output_kind(model)
    'probabilities'
    """
    if not is_graph(model) or len(model.outputs) != 1:
        return None
    kind, _ = _read(model)
    if kind is None:
        if model not in _ANSWERS:
            _ANSWERS[model] = _ask(model)
        kind = _ANSWERS[model]
    return kind


def _read(model):
    """The kind by the operations, and whether nothing but passes was met."""
    graph = read_graph(model)
    producers = {
        id(tensor): node for node in graph.nodes for tensor in node.outputs
    }
    outputs = keras.tree.flatten(graph.outputs)
    if len(outputs) != 1:
        return None, False
    return _behind(producers, outputs[0])


def _behind(producers, tensor):
    scaled = False
    while id(tensor) in producers:
        node = producers[id(tensor)]
        operation = node.operation
        kind, passes = None, False
        if is_graph(operation):
            kind, passes = _read(operation)
        elif isinstance(operation, layers.Average):
            kinds = {_behind(producers, each)[0] for each in node.inputs}
            kind = kinds.pop() if len(kinds) == 1 else None
        else:
            name = _function(operation)
            kind = _KINDS.get(name)
            passes = _passes(operation, name)
            if (
                name == "linear"
                and getattr(operation, "kernel", None) is not None
            ):
                kind = "logits"
        if kind is not None:
            return (None if scaled and kind != "logits" else kind), False
        scales = len(node.inputs) == 1 and _scales(operation)
        if not (passes or scales):
            return None, False
        scaled |= scales
        tensor = node.inputs[0]
    return None, not scaled


def _function(operation):
    """Name of the function that a layer or operation ends in."""
    function = getattr(operation, "activation", None)
    if function is None:
        return _plain(type(operation).__name__)
    if isinstance(function, str):
        return _plain(function)
    return _plain(getattr(function, "__name__", type(function).__name__))


def _plain(name):
    return name.replace("_", "").lower()


def _passes(operation, name):
    if not isinstance(operation, keras.layers.Layer):
        return name in _PASSING
    return (
        name == "linear"
        or isinstance(operation, _PASSING_LAYERS)
        # Such as the quantizers of `kerastl.export.quantization_aware`.
        or getattr(operation, "transparent", False)
    )


def _scales(operation):
    if isinstance(operation, keras.layers.Layer):
        return isinstance(operation, _SCALING_LAYERS)
    return _plain(type(operation).__name__) in _SCALING


def _ask(model):
    """The kind by what the network says of random images."""
    generator = np.random.default_rng(0)
    images = [
        generator.uniform(
            0, 255, (_IMAGES, *(size or _SIDE for size in tensor.shape[1:]))
        ).astype("float32")
        for tensor in model.inputs
    ]
    images = keras.tree.pack_sequence_as(model.input, images)
    outputs = keras.ops.convert_to_numpy(model(images, training=False))
    outputs = outputs.astype("float64")
    if not np.isfinite(outputs).all():
        return None
    if outputs.min() < -_TOLERANCE or outputs.max() > 1 + _TOLERANCE:
        return "logits"
    sums = outputs.sum(axis=-1)
    if outputs.shape[-1] > 1 and np.abs(sums - 1).max() < _TOLERANCE:
        return "probabilities"
    return None
