"""Which weights a penalty is attached to, and how."""

from typing import NamedTuple

import keras

from kerastl.arguments import nearest_hint
from kerastl.regularizers.anchored_l2 import AnchoredL2
from kerastl.surgery.graph import hidden_layers
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import walk

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
    """A weight with the layer attribute that holds its regularizer."""

    layer: keras.layers.Layer
    variable: keras.Variable
    attribute: str


def penalised_weights(model, batch_norm=False) -> list:
    """The kernels of `model`, and with `batch_norm` scales and offsets."""
    if not model.built:
        raise ValueError(
            "The model has no weights yet. Build it first, with "
            "`keras.Input` or by calling it on a batch. "
            f"Received: model={model.name!r}"
        )
    found = []
    for layer in hidden_layers(model):
        pairs = _KERNELS
        if isinstance(layer, keras.layers.BatchNormalization):
            pairs = _BATCH_NORM if batch_norm else ()
        for weight, attribute in pairs:
            variable = getattr(layer, weight, None)
            if hasattr(layer, attribute) and isinstance(
                variable, keras.Variable
            ):
                found.append(Penalised(layer, variable, attribute))
    if not found:
        raise ValueError(
            "The model has no kernel of a Keras convolution or Dense layer to "
            f"penalise. Received: model={model.name!r}"
        )
    return found


def head_layers(model, weights, head) -> set:
    """Ids of the layers that make the head.

    `head` is a layer name, a list of names, or `None` for the last layer with
    a kernel.
    """
    by_name = {entry.layer.name: entry.layer for entry in weights}
    if head is None:
        layers = [entry.layer for entry in weights]
        if is_graph(model):
            order = {
                id(node.operation): index
                for index, (_, node) in enumerate(walk(model))
            }
            layers.sort(key=lambda layer: order.get(id(layer), -1))
        return {id(layers[-1])}
    names = [head] if isinstance(head, str) else list(head)
    for name in names:
        if name not in by_name:
            raise ValueError(
                "The model has no layer of that name with a kernel."
                f"{nearest_hint(name, by_name)} Received: head={name!r}"
            )
    return {id(by_name[name]) for name in names}


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


def detach(model):
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
