"""Puts a graph into one order, however it was written."""

import heapq


def order_onnx(path):
    """Sorts the nodes and the constants of an .onnx file, in place.

    The exporters keep some of them in sets, whose order Python draws anew in
    every process: the same network would give other bytes each time. Nodes
    are put behind what they read, and by the names of their outputs where
    that leaves a choice; constants by their names.

    Args:
        path: The file.
    """
    import onnx

    model = onnx.load(path)
    graph = model.graph
    # The name of a function that is counted up in every process.
    graph.doc_string = ""
    nodes = _sorted_nodes(list(graph.node))
    constants = sorted(graph.initializer, key=lambda tensor: tensor.name)
    shapes = sorted(graph.value_info, key=lambda value: value.name)
    for field, values in (
        (graph.node, nodes),
        (graph.initializer, constants),
        (graph.value_info, shapes),
    ):
        copies = [_copy(value) for value in values]
        del field[:]
        field.extend(copies)
    onnx.save(model, path)


def _sorted_nodes(nodes):
    maker = {name: node for node in nodes for name in node.output if name}
    place = {id(node): index for index, node in enumerate(nodes)}
    waits, readers = {}, {}
    for node in nodes:
        before = {place[id(maker[name])] for name in _read(node) & maker.keys()}
        waits[place[id(node)]] = len(before)
        for index in before:
            readers.setdefault(index, []).append(place[id(node)])
    ready = [
        (tuple(nodes[index].output), index)
        for index, count in waits.items()
        if not count
    ]
    heapq.heapify(ready)
    ordered = []
    while ready:
        _, index = heapq.heappop(ready)
        ordered.append(nodes[index])
        for reader in readers.get(index, ()):
            waits[reader] -= 1
            if not waits[reader]:
                heapq.heappush(ready, (tuple(nodes[reader].output), reader))
    return ordered


def _read(node):
    """All that a node reads, inside its branches and loops too."""
    names = set(node.input)
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            for inner in graph.node:
                names |= _read(inner)
    return names


def _copy(value):
    """A copy that stays when the list that the value is in is emptied."""
    return type(value).FromString(value.SerializeToString())
