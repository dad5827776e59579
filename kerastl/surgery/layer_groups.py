"""The layers of a network from input to head, a stage at a time."""

from kerastl.surgery.default_taps import default_taps
from kerastl.surgery.find_head import find_head
from kerastl.surgery.graph import walk


def layer_groups(model, ends=None) -> list:
    """Parts the layers with weights into stages, the head by itself.

    What lies lower in a network is more general and needs less training:
    `kerastl.optimizers` gives each group a learning rate of its own.

    Args:
        model: A functional or built sequential `keras.Model`, nested ones
            included.
        ends: Names of the last layers of the stages. Defaults to
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
    nodes = [node for _, node in walk(model)]
    if ends is None:
        try:
            ends = default_taps(model)
        except ValueError:
            ends = []
    names = {node.operation.name for node in nodes}
    unknown = sorted(set(ends) - names)
    if unknown:
        raise ValueError(
            "Every stage ends with a layer of the model. "
            f"Received: ends={unknown}, which {model.name!r} does not have"
        )
    layers = {}
    group = 0
    last = {
        node.operation.name: i
        for i, node in enumerate(nodes)
        if node.operation.name in ends
    }
    boundaries = set(last.values())
    for i, node in enumerate(nodes):
        if getattr(node.operation, "weights", ()):
            layers.setdefault(id(node.operation), (group, node.operation))
        group += i in boundaries
    if not layers:
        raise ValueError(
            f"The model has no layer with weights. Received: {model.name!r}"
        )
    # Without a classifier, the layer next to the output stands for it.
    head = find_head(model).layer or list(layers.values())[-1][1]
    groups = [[] for _ in range(group + 1)]
    for place, layer in layers.values():
        if layer is not head:
            groups[place].append(layer)
    return [*filter(None, groups), [head]]
