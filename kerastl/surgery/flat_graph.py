"""A network as one list of calls, its nested models opened."""

import dataclasses

import keras

from kerastl.surgery.graph import Node
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph


@dataclasses.dataclass(frozen=True)
class FlatCall:
    """One call of a layer or operation, at any depth.

    Tensors are numbers here, because those of a nested model stand for those
    that it is called on.

    Attributes:
        node: the call in its own graph.
        inputs: numbers of the tensors that it reads.
        outputs: numbers of the tensors that it makes.
        numbers: number of every tensor of its graph, by the tensor's id.
    """

    node: Node
    inputs: list
    outputs: list
    numbers: dict

    @property
    def operation(self):
        return self.node.operation

    def repeat(self, values):
        """Calls the operation on `values`, a dict by number, and adds to it."""
        args, kwargs = keras.tree.map_structure(
            lambda each: values.get(self.numbers.get(id(each)), each),
            (self.node.args, self.node.kwargs),
        )
        outputs = keras.tree.flatten(self.operation(*args, **kwargs))
        values.update(zip(self.outputs, outputs, strict=True))


class FlatGraph:
    """The calls of a functional model in execution order, nothing nested.

    Attributes:
        calls: list of `FlatCall`.
        outputs: numbers of the model's outputs.
        places: for every number, the calls of nested models that lead to
            where the tensor is made, from the outside in, and the tensor
            itself.

    Args:
        model: a functional or built sequential `keras.Model`.
    """

    def __init__(self, model):
        self.calls = []
        self.places = []
        graph = read_graph(model)
        numbers = {}
        for tensor in keras.tree.flatten(graph.inputs):
            numbers[id(tensor)] = self._number((), tensor)
        self._add(graph, numbers, ())
        self.outputs = [
            numbers[id(tensor)] for tensor in keras.tree.flatten(graph.outputs)
        ]
        self._makers = {
            number: call for call in self.calls for number in call.outputs
        }

    def maker(self, number) -> FlatCall | None:
        """The call that makes a tensor; `None` for an input of the model."""
        return self._makers.get(number)

    def tensor(self, number):
        return self.places[number][1]

    def _number(self, path, tensor):
        self.places.append((path, tensor))
        return len(self.places) - 1

    def _add(self, graph, numbers, path):
        for node in graph.nodes:
            inputs = [numbers[id(tensor)] for tensor in node.inputs]
            if is_graph(node.operation):
                inner = read_graph(node.operation)
                known = dict(
                    zip(
                        map(id, keras.tree.flatten(inner.inputs)),
                        inputs,
                        strict=True,
                    )
                )
                self._add(inner, known, (*path, node))
                outputs = [
                    known[id(tensor)]
                    for tensor in keras.tree.flatten(inner.outputs)
                ]
            else:
                outputs = [self._number(path, t) for t in node.outputs]
                self.calls.append(FlatCall(node, inputs, outputs, numbers))
            numbers.update(zip(map(id, node.outputs), outputs, strict=True))
