"""The layers of a network from input to head, a stage at a time."""

from collections.abc import Iterable

import keras

from kerastl.surgery.default_taps import default_taps
from kerastl.surgery.find_head import find_head
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph


def layer_groups(
    model: keras.Model, ends: Iterable[str] | None = None
) -> list[list[keras.layers.Layer]]:
    """Parts the layers with weights into stages, the head by itself.

    What lies lower in a network is more general and needs less training:
    `kerastl.optimizers` gives each group a learning rate of its own. A stage
    is counted along the way from the input, so that in a network of two
    backbones the first stages of both are one group, and so on.

    Args:
        model: A functional or built sequential `keras.Model`, nested ones
            included.
        ends: Names of the last layers of the stages: every layer of a name,
            or the one with that path (`"backbone/block_2_add"`). Defaults to
            `kerastl.surgery.default_taps`, or to one stage where the network
            never goes down in size.

    Returns:
        A list of lists of layers, from the input to the head. Groups without
        layers are left out.

    Raises:
        ValueError: If an end is no layer of the model, or if the model is
            subclassed or has no weights.

    Example:

    >>> source = keras.applications.MobileNetV2(weights=None)
    >>> len(kerastl.surgery.layer_groups(source))
    6
    """
    if ends is None:
        try:
            ends = default_taps(model)
        except ValueError:
            ends = []
    calls = _calls(model)
    last = {}
    for i, (node, _) in enumerate(calls):
        for end in {node.path, node.operation.name} & set(ends):
            # The last call of a layer that is called several times.
            last[end, node.path] = i
    unknown = sorted(set(ends) - {end for end, _ in last})
    if unknown:
        raise ValueError(
            "Every stage ends with a layer of the model. "
            f"Received: ends={unknown}, which {model.name!r} does not have"
        )
    boundaries = set(last.values())
    layers, stages = {}, []
    for i, (node, before) in enumerate(calls):
        # The stage that the call is in, and the one that its readers are in.
        stage = max((stages[j][1] for j in before), default=0)
        stages.append((stage, stage + (i in boundaries)))
        if getattr(node.operation, "weights", ()):
            layers.setdefault(id(node.operation), (stage, node.operation))
    if not layers:
        raise ValueError(
            f"The model has no layer with weights. Received: {model.name!r}"
        )
    # Without a classifier, the layer next to the output stands for it.
    head = find_head(model).layer or list(layers.values())[-1][1]
    groups = [[] for _ in range(1 + max(place for place, _ in layers.values()))]
    for place, layer in layers.values():
        if layer is not head:
            groups[place].append(layer)
    return [*filter(None, groups), [head]]


def _calls(model):
    """The calls in order, each with the indexes of those that it reads."""
    calls = []

    def visit(model, path, inputs):
        graph = read_graph(model, path)
        made_by = dict(
            zip(map(id, keras.tree.flatten(graph.inputs)), inputs, strict=True)
        )
        for node in graph.nodes:
            before = [made_by[id(tensor)] for tensor in node.inputs]
            if is_graph(node.operation):
                outputs = visit(node.operation, node.path, before)
            else:
                outputs = [len(calls)] * len(node.outputs)
                calls.append((node, [i for i in before if i is not None]))
            made_by.update(zip(map(id, node.outputs), outputs, strict=True))
        return [made_by[id(t)] for t in keras.tree.flatten(graph.outputs)]

    visit(model, "", [None] * len(keras.tree.flatten(read_graph(model).inputs)))
    return calls
