"""A network in two parts, at a tensor."""

import keras

from kerastl.surgery.graph import read_graph
from kerastl.surgery.replay import replay
from kerastl.types import Tensor


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
    replay(behind, tensors)
    outputs = keras.tree.map_structure(
        lambda each: tensors[id(each)], graph.outputs
    )
    return (
        keras.Model(graph.inputs, between, name=f"{model.name}_front"),
        keras.Model(inputs, outputs, name=f"{model.name}_behind"),
    )
