"""Which weights a penalty is attached to, and how."""

from typing import NamedTuple

import keras

from kerastl.arguments import nearest_hint
from kerastl.regularizers.anchored_l2 import AnchoredL2
from kerastl.surgery.graph import hidden_layers
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import walk
from kerastl.surgery.layer_paths import layer_paths
from kerastl.surgery.layer_paths import layers_named

# Attribute of the weight, attribute of its regularizer.
_KERNELS = (
    ("kernel", "kernel_regularizer"),
    ("kernel", "depthwise_regularizer"),
    ("depthwise_kernel", "depthwise_regularizer"),
    ("pointwise_kernel", "pointwise_regularizer"),
)
_BATCH_NORM = (
    ("gamma", "gamma_regularizer"),
    ("beta", "beta_regularizer"),
)


class Penalised(NamedTuple):
    """A weight with the layer attribute that holds its regularizer.

    `path` is that of the layer, which no two layers of the model share.
    """

    layer: keras.layers.Layer
    variable: keras.Variable
    attribute: str
    path: str


def penalised_weights(model, batch_norm=False) -> list:
    """The kernels of `model`, and with `batch_norm` scales and offsets."""
    if not model.built:
        raise ValueError(
            "The model has no weights yet. Build it first, with "
            "`keras.Input` or by calling it on a batch. "
            f"Received: model={model.name!r}"
        )
    found = []
    paths = layer_paths(model)
    for layer in hidden_layers(model):
        if id(layer) not in paths:
            continue
        path = paths.pop(id(layer))  # one may be reached on several ways
        pairs = _KERNELS
        if isinstance(layer, keras.layers.BatchNormalization):
            pairs = _BATCH_NORM if batch_norm else ()
        for weight, attribute in pairs:
            variable = getattr(layer, weight, None)
            if hasattr(layer, attribute) and isinstance(
                variable, keras.Variable
            ):
                found.append(Penalised(layer, variable, attribute, path))
    if not found:
        raise ValueError(
            "The model has no kernel of a Keras convolution or Dense layer to "
            f"penalise. Received: model={model.name!r}"
        )
    return found


def head_layers(model, weights, head) -> set:
    """Ids of the layers that make the head.

    `head` is a layer name or path, a list of them, or `None` for the last
    layer with a kernel. A name means every layer that has it.
    """
    if head is None:
        layers = [entry.layer for entry in weights]
        if is_graph(model):
            order = {
                id(node.operation): index
                for index, (_, node) in enumerate(walk(model))
            }
            layers.sort(key=lambda layer: order.get(id(layer), -1))
        return {id(layers[-1])}
    with_kernel = {id(entry.layer): entry.layer.name for entry in weights}
    chosen = set()
    for name in [head] if isinstance(head, str) else head:
        found = {id(layer) for layer in layers_named(model, name)}
        found &= with_kernel.keys()
        if not found:
            raise ValueError(
                "The model has no layer of that name with a kernel."
                f"{nearest_hint(name, with_kernel.values())} "
                f"Received: head={name!r}"
            )
        chosen |= found
    return chosen


def attach(model, weights, penalties):
    """Puts a penalty on each weight, in place of an earlier one of its kind.

    All or nothing: the weights are checked before the first is touched.
    """
    for entry in weights:
        before = getattr(entry.layer, entry.attribute)
        if before is not None and not isinstance(before, AnchoredL2):
            raise ValueError(
                f"The layer {entry.layer.name!r} has a regularizer already, "
                "and two penalties on one weight are rarely meant. Set "
                f"`layer.{entry.attribute}` and the `regularizer` of its "
                "variable to None first. "
                f"Received: {entry.attribute}={before}"
            )
    detach(model)
    for entry, penalty in zip(weights, penalties, strict=True):
        setattr(entry.layer, entry.attribute, penalty)
        entry.variable.regularizer = penalty


def detach(model: keras.Model) -> keras.Model:
    """Takes every penalty off that `attach` has put on `model`.

    The model can then be loaded without kerastl, and its file is smaller by
    the starting values.

    Args:
        model: a `keras.Model`.

    Returns:
        `model`, for chaining.
    """
    for entry in penalised_weights(model, batch_norm=True):
        if isinstance(getattr(entry.layer, entry.attribute), AnchoredL2):
            setattr(entry.layer, entry.attribute, None)
            entry.variable.regularizer = None
    # A step that is traced already would go on with the old penalties.
    for name in ("train_function", "test_function"):
        if getattr(model, name, None) is not None:
            setattr(model, name, None)
    return model
