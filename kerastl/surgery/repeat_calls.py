"""Calls of a graph that are made again on other tensors.

Nested models opened into one flat graph, and a network in two parts.
"""

import keras

from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph
from kerastl.surgery.graph import walk
from kerastl.surgery.rebuild import copy_model
from kerastl.types import Tensor


def repeat_calls(nodes, tensors, open_nested=False):
    """Calls the operations of `nodes` again, on other tensors.

    The layers are those of the nodes; nothing is copied.

    Args:
        nodes: Calls in execution order, see `kerastl.surgery.graph.Node`.
        tensors: Dict from the id of a graph's tensor to the one that takes
            its place. What the calls produce is added.
        open_nested: Whether the calls inside nested models are made, instead
            of the call of the nested model.
    """

    def new_tensor(value):
        return tensors.get(id(value), value)

    for node in nodes:
        args, kwargs = keras.tree.map_structure(
            new_tensor, (node.args, node.kwargs)
        )
        if open_nested and is_graph(node.operation):
            outputs = _inside(node, tensors)
        else:
            outputs = node.operation(*args, **kwargs)
        for old, new in zip(
            node.outputs, keras.tree.flatten(outputs), strict=True
        ):
            tensors[id(old)] = new


def _inside(node, tensors):
    graph = read_graph(node.operation)
    inner = {
        id(tensor): tensors[id(outer)]
        for tensor, outer in zip(
            keras.tree.flatten(graph.inputs), node.inputs, strict=True
        )
    }
    repeat_calls(graph.nodes, inner, open_nested=True)
    return [inner[id(tensor)] for tensor in keras.tree.flatten(graph.outputs)]


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
    repeat_calls(graph.nodes, tensors, open_nested=True)
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


def split_at(
    model: keras.Model, tensor: Tensor
) -> tuple[keras.Model, keras.Model]:
    """Splits a network into what is in front of a tensor and what is behind.

    Both parts share their layers with `model`. Where paths lead around
    `tensor` (the shortcut of a residual block), the first part returns the
    tensors on them too, and the second one takes them.

    Args:
        model: a functional `keras.Model`; nested models are not entered.
        tensor: one of its inner tensors.

    Returns:
        The part in front, which returns `tensor` first, and then what is on
        the paths around it, and the part behind, which takes the same.
    """
    graph = read_graph(model)
    changed, behind = {id(tensor)}, []
    for node in graph.nodes:
        if any(id(each) in changed for each in node.inputs):
            behind.append(node)
            changed.update(id(each) for each in node.outputs)
    flat = keras.tree.flatten(graph.outputs)
    read = [each for node in behind for each in node.inputs] + flat
    around = {
        id(each): each
        for each in read
        if id(each) not in changed or each is tensor
    }
    around.pop(id(tensor), None)
    between = [tensor, *around.values()]
    inputs = [keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in between]
    tensors = {id(old): new for old, new in zip(between, inputs, strict=True)}
    repeat_calls(behind, tensors)
    outputs = keras.tree.map_structure(
        lambda each: tensors[id(each)], graph.outputs
    )
    return (
        keras.Model(graph.inputs, between, name=f"{model.name}_front"),
        keras.Model(inputs, outputs, name=f"{model.name}_behind"),
    )
