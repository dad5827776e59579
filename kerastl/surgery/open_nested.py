"""Nested models opened into one flat graph."""

import keras

from kerastl.surgery.copy_model import copy_model
from kerastl.surgery.graph import read_graph
from kerastl.surgery.graph import walk
from kerastl.surgery.replay import replay


def open_nested(model: keras.Model, name: str | None = None) -> keras.Model:
    """Copies a functional model with the layers of nested models in it.

    What looks at a network from one layer to the next (gates that run along
    all layers, the part of a network behind a layer) needs one flat graph.
    Layers keep their names; where two have the same, the later one gets the
    nested model's name in front.

    Args:
        model: a functional or built sequential `keras.Model`.
        name: name of the copy. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` without nested ones, that shares nothing
        with `model`; not compiled, every layer trainable.

    Raises:
        ValueError: if the model is subclassed or a layer cannot be made again
            from its config.

    Example:

    >>> flat = kerastl.surgery.open_nested(keras.Sequential([backbone, head]))
    """
    copy = copy_model(model)
    _name_apart(copy)
    graph = read_graph(copy)
    tensors = {id(t): t for t in keras.tree.flatten(graph.inputs)}
    replay(graph.nodes, tensors, open_nested=True)
    outputs = keras.tree.map_structure(
        lambda tensor: tensors[id(tensor)], graph.outputs
    )
    return keras.Model(graph.inputs, outputs, name=name or model.name)


def _name_apart(model):
    """Gives every operation of `model`, a copy, a name of its own."""
    taken = {}
    for _, node in walk(model):
        operation = node.operation
        if taken.setdefault(operation.name, operation) is not operation:
            operation.name = node.path.replace("/", "_")
            taken[operation.name] = operation
