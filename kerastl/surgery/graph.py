"""Reads functional models as plain graphs.

The one place that touches Keras's private graph attributes: whatever else
walks or rebuilds a model does it through `read_graph` and `rebuild`.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.models.functional import Functional


@dataclasses.dataclass(frozen=True)
class Node:
    """One call of a layer, or of a `keras.ops` operation, in a graph.

    Attributes:
        operation: the layer or operation called.
        path: its name, prefixed with the nested models that hold it
            (`"backbone/Conv1"`).
        call_index: how many times the graph called the same operation before.
        args: positional arguments of the call, `KerasTensor`s included.
        kwargs: keyword arguments of the call.
        inputs: flat list of the `KerasTensor`s among the arguments.
        outputs: flat list of the `KerasTensor`s that it produced.
    """

    operation: keras.Operation
    path: str
    call_index: int
    args: tuple
    kwargs: dict
    inputs: list
    outputs: list

    @property
    def key(self) -> tuple[str, int]:
        """Names the call: equal each time that the same model is read."""
        return self.path, self.call_index


@dataclasses.dataclass(frozen=True)
class Graph:
    """A functional model as calls in execution order.

    Attributes:
        nodes: the calls, every one after those that it reads from.
        inputs: the model's inputs, in the structure they were given.
        outputs: the model's outputs, in the structure they were given.
    """

    nodes: list[Node]
    inputs: Any
    outputs: Any

    def __post_init__(self):
        readers, makers = {}, {}
        for node in self.nodes:
            for tensor in node.inputs:
                readers.setdefault(id(tensor), []).append(node)
            for tensor in node.outputs:
                makers[id(tensor)] = node
        object.__setattr__(self, "_readers", readers)
        object.__setattr__(self, "_makers", makers)
        output_ids = {id(t) for t in keras.tree.flatten(self.outputs)}
        object.__setattr__(self, "_output_ids", output_ids)

    def readers(self, tensor) -> list[Node]:
        """The calls that read `tensor`, once for every time they read it."""
        return self._readers.get(id(tensor), [])  # type: ignore[attr-defined]

    def maker(self, tensor) -> Node | None:
        """The call that makes `tensor`; `None` of an input of the model."""
        return self._makers.get(id(tensor))  # type: ignore[attr-defined]

    def is_output(self, tensor) -> bool:
        """Whether `tensor` is an output of the model."""
        return id(tensor) in self._output_ids  # type: ignore[attr-defined]


def is_graph(layer) -> bool:
    """Whether `layer` is a functional or sequential model that can be read.

    A model whose class overrides `call` may do anything there, so it is not.
    """
    if isinstance(layer, keras.Sequential):
        return type(layer).call is keras.Sequential.call
    if isinstance(layer, Functional):
        return type(layer).call is Functional.call
    return False


def read_graph(model, path: str = "") -> Graph:
    """Reads the calls of a functional or sequential model, nested ones closed.

    Args:
        model: a functional or built sequential `keras.Model`.
        path: prefix of the nodes' paths, for a model nested in another.

    Raises:
        ValueError: if the model is subclassed or a sequential one not built.
    """
    functional = _functional(model)
    calls = Counter()
    nodes = []
    by_depth = functional._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            if node.is_input:
                continue
            operation = node.operation
            nodes.append(
                Node(
                    operation=operation,
                    path=f"{path}/{operation.name}".lstrip("/"),
                    call_index=calls[id(operation)],
                    args=node.arguments.args,
                    kwargs=node.arguments.kwargs,
                    inputs=list(node.input_tensors),
                    outputs=list(node.outputs),
                )
            )
            calls[id(operation)] += 1
    return Graph(nodes, functional.input, functional.output)


def walk(model, path: str = "") -> Iterator[tuple[Graph, Node]]:
    """Yields every call with its graph, in the order in which they run.

    Nested models are entered at each call: one that is called twice yields
    its calls twice, with the same keys.
    """
    graph = read_graph(model, path)
    for node in graph.nodes:
        if is_graph(node.operation):
            yield from walk(node.operation, node.path)
        else:
            yield graph, node


def hidden_layers(layer) -> list:
    """The layers inside a layer that is not a readable graph."""
    return list(layer._flatten_layers(include_self=False))


def inner_layers(layer) -> list:
    """The layers that a model or layer holds itself, not those inside them."""
    if isinstance(layer, keras.Model):
        return layer.layers
    return list(layer._flatten_layers(include_self=False, recursive=False))


def input_operation(tensor):
    """The `InputLayer` that a model's input comes from."""
    return tensor._keras_history.operation


def was_called(operation) -> bool:
    """Whether `operation` is part of some graph."""
    return bool(operation._inbound_nodes)


def _functional(model):
    if not is_graph(model):
        raise ValueError(
            "Only functional and sequential models can be rewritten, because "
            "the layers inside a subclassed model are known only to its "
            "`call()`. Build it as a functional model: call its layers on "
            "`keras.Input(...)` and wrap the result in "
            "`keras.Model(inputs, outputs)`. "
            f"Received: model={model} (of type {type(model).__name__})"
        )
    if not isinstance(model, keras.Sequential):
        return model
    if model._functional is None:
        raise ValueError(
            "The sequential model has no input shape yet, so it has no graph. "
            "Start it with `keras.Input(shape)`, or call "
            "`model.build(input_shape)` first. "
            f"Received: model={model}"
        )
    return model._functional
