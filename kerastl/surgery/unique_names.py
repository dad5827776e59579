"""Names for what is put into a graph, beside those that users gave."""

import itertools

from kerastl.surgery import graph as graphs


class UniqueNames:
    """Hands out names that no layer of a model has.

    Keras refuses a graph in which two operations share a name. Names that it
    makes up itself are unique in a process only: a model from a file may have
    them already.

    Args:
        model: Functional model whose names are taken.
    """

    def __init__(self, model):
        self._taken = {
            name
            for _, node in graphs.walk(model)
            for name in node.path.split("/")
        }
        # Inputs are no calls.
        self._taken |= {layer.name for layer in graphs.hidden_layers(model)}
        self._given = set()

    def inherit(self, name):
        """The name of a layer for what takes its place, the first time.

        A layer that is called again becomes another one, with a number.
        """
        if name in self._given:
            return self.new(name)
        self._given.add(name)
        return name

    def new(self, name):
        """`name`, with a number behind it if it is taken."""
        for each in itertools.chain(
            [name], (f"{name}_{number}" for number in itertools.count(1))
        ):
            if each not in self._taken | self._given:
                self._given.add(each)
                return each
