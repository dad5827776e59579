"""Repeats the calls of a graph on other tensors."""

import keras

from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph


def replay(nodes, tensors, open_nested=False):
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
    replay(graph.nodes, inner, open_nested=True)
    return [inner[id(tensor)] for tensor in keras.tree.flatten(graph.outputs)]
