"""Puts a graph into one order with one numbering, however it was written."""

import re

# The number in a name that an exporter made up, never that of a layer, which
# is followed by the name of an operation.
_NUMBER = re.compile(r"__(\d+)(?![^/]*/)")


def order_onnx(path):
    """Sorts the nodes and the constants of an .onnx file, in place.

    The exporters keep some of them in sets, whose order Python draws anew in
    every process, and number what they make in that order: the same network
    would give other bytes each time. Nodes are put behind what they read, in
    the order in which the outputs ask for them; made-up names are numbered
    along; constants are sorted by their names.

    Args:
        path: The file.
    """
    import onnx

    model = onnx.load(path)
    graph = model.graph
    # The name of a function that is counted up in every process.
    graph.doc_string = ""
    nodes = _sorted_nodes(graph)
    _rename(graph, nodes)
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


def _sorted_nodes(graph):
    """The nodes as the outputs ask for them, each behind what it reads."""
    maker = {
        name: index
        for index, node in enumerate(graph.node)
        for name in node.output
        if name
    }
    asked = [maker[value.name] for value in graph.output if value.name in maker]
    # What no output needs comes last.
    asked += range(len(graph.node))
    ordered, done = [], set()
    waiting = asked[::-1]
    while waiting:
        index = waiting[-1]
        before = [
            maker[name]
            for name in _read(graph.node[index])
            if name in maker and maker[name] not in done
        ]
        if index not in done and before:
            waiting += before[::-1]
            continue
        waiting.pop()
        if index not in done:
            done.add(index)
            ordered.append(graph.node[index])
    return ordered


def _read(node):
    """All that a node reads, inside its branches and loops too, in order."""
    names = list(node.input)
    for inner in _inner_graphs(node):
        for each in inner.node:
            names += _read(each)
    return names


def _inner_graphs(node):
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _rename(graph, nodes):
    """Numbers the made-up names as the nodes come, but for in- and outputs."""
    kept = {value.name for value in (*graph.input, *graph.output)}
    numbers = {}

    def renamed(name):
        if name in kept:
            return name
        return _NUMBER.sub(
            lambda found: f"__{numbers.setdefault(found[1], len(numbers) + 1)}",
            name,
        )

    _rename_nodes(nodes, renamed)
    for value in (*graph.initializer, *graph.value_info):
        value.name = renamed(value.name)


def _rename_nodes(nodes, renamed):
    for node in nodes:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = renamed(name)
        node.name = renamed(node.name)
        for inner in _inner_graphs(node):
            _rename_nodes(inner.node, renamed)
            for value in (*inner.initializer, *inner.value_info):
                value.name = renamed(value.name)
            for value in (*inner.input, *inner.output):
                value.name = renamed(value.name)


def _copy(value):
    """A copy that stays when the list that the value is in is emptied."""
    return type(value).FromString(value.SerializeToString())
