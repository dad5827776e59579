"""A Keras model as a flat list of calls that can be run one by one."""

import dataclasses
import itertools

import keras

from kerastl.surgery import graph as graphs


@dataclasses.dataclass(frozen=True)
class _Slot:
    """Stands for a value in the arguments of a call."""

    index: int


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a layer or operation, those of nested models included.

    Attributes:
        operation: The layer or operation.
        path: Its name, prefixed with the nested models that hold it.
        inputs: Places of the values that it reads.
        outputs: Places of the values that it writes.
    """

    operation: keras.Operation
    path: str
    args: tuple
    kwargs: dict
    inputs: tuple
    outputs: tuple

    def run(self, values):
        """Returns a dict of place to NumPy array.

        Args:
            values: Mapping of place to value.
        """
        args, kwargs = keras.tree.map_structure(
            lambda each: (
                values[each.index] if isinstance(each, _Slot) else each
            ),
            (self.args, self.kwargs),
        )
        outputs = keras.tree.flatten(self.operation(*args, **kwargs))
        return {
            place: keras.ops.convert_to_numpy(output)
            for place, output in zip(self.outputs, outputs, strict=True)
        }


def keras_calls(model):
    """Returns the calls of a model in order, and the place of its output.

    Place 0 holds the images.

    Args:
        model: Functional or Sequential model with one input and one output.
    """
    calls = []
    new_places = itertools.count(1)

    def visit(model, path, inputs):
        graph = graphs.read_graph(model, path)
        places = {
            id(tensor): place
            for tensor, place in zip(
                keras.tree.flatten(graph.inputs), inputs, strict=True
            )
        }

        def as_slot(value):
            place = places.get(id(value))
            return value if place is None else _Slot(place)

        for node in graph.nodes:
            read = tuple(places[id(tensor)] for tensor in node.inputs)
            if graphs.is_graph(node.operation):
                outputs = visit(node.operation, node.path, read)
            else:
                outputs = [next(new_places) for _ in node.outputs]
                args, kwargs = keras.tree.map_structure(
                    as_slot, (node.args, node.kwargs)
                )
                calls.append(
                    Call(
                        node.operation,
                        node.path,
                        args,
                        kwargs,
                        read,
                        tuple(outputs),
                    )
                )
            for tensor, place in zip(node.outputs, outputs, strict=True):
                places[id(tensor)] = place
        return [places[id(t)] for t in keras.tree.flatten(graph.outputs)]

    [output] = visit(model, "", (0,))
    return calls, output
