"""In which order the calls of a network are run, and which of them at once."""

import dataclasses
import math

from kerastl.export.quantization import node_kinds
from kerastl.export.quantization.placement import affine_chain
from kerastl.export.quantization.placement import rounds_output
from kerastl.surgery.flat_graph import FlatCall
from kerastl.surgery.flat_graph import FlatGraph
from kerastl.surgery.graph import walk


@dataclasses.dataclass
class Group:
    """A kernel with all that is computed before the next kernel.

    Attributes:
        calls: The calls, the kernel's first.
        kernel: The first call where it has a kernel, or `None`.
        affine: Nodes of the affine calls that the file computes with the
            kernel.
    """

    calls: list
    kernel: FlatCall | None = None
    affine: tuple = ()

    def inputs(self):
        """Numbers of the tensors that come from other groups."""
        made = {n for call in self.calls for n in call.outputs}
        read = dict.fromkeys(n for call in self.calls for n in call.inputs)
        return [number for number in read if number not in made]


class Schedule:
    """The groups of a network, in order.

    What follows a kernel alone comes right behind it, so that few tensors
    live from one group to the next.

    Args:
        model: Functional or sequential model, nested or not.

    Attributes:
        flat: `FlatGraph` of the model.
        groups: List of `Group`.
        rounded: Numbers of the tensors that an int8 file rounds.
        last_reader: For each number the index of the last group that reads
            it.
    """

    def __init__(self, model):
        self.flat = flat = FlatGraph(model)
        nodes = [pair for pair in walk(model)]
        calls = flat.calls
        # The images come first, and are rounded too.
        self.rounded = {
            number
            for number in range(len(flat.places))
            if flat.maker(number) is None
        }
        self._graphs, self._paths = {}, {}
        for call, (graph, node) in zip(calls, nodes, strict=True):
            self._graphs[id(call)] = graph
            self._paths[id(call)] = node.path
            if len(call.outputs) == 1 and rounds_output(graph, node):
                self.rounded.add(call.outputs[0])
        self._readers = {}
        for call in calls:
            for number in call.inputs:
                self._readers.setdefault(number, []).append(call)
        self.groups = self._grouped(calls)
        self.last_reader = {
            number: index
            for index, group in enumerate(self.groups)
            for number in group.inputs()
        }

    def num_images_within(self, num_bytes):
        """How many images flow through the network in so much memory.

        Args:
            num_bytes: For the largest tensor, in float.
        """
        sizes = [
            math.prod(self.flat.tensor(number).shape[1:])
            for call in self.flat.calls
            for number in call.outputs
        ]
        return max(1, num_bytes // (4 * max(sizes, default=1)))

    def path(self, call):
        """The name of a call, with those of the nested models that hold it."""
        return self._paths[id(call)]

    def _grouped(self, calls):
        groups, done = [Group([])], set()
        for call in calls:
            if id(call) in done:
                continue
            if is_kernel(call):
                node = call.node
                chain = affine_chain(self._graphs[id(call)], node)
                groups.append(Group([], call, tuple(chain)))
            while call is not None:
                groups[-1].calls.append(call)
                done.add(id(call))
                call = self._next(call)
        return [group for group in groups if group.calls]

    def _next(self, call):
        """The call to run right behind one, because it reads nothing else."""
        if len(call.outputs) != 1:
            return None
        readers = self._readers.get(call.outputs[0], [])
        if len(readers) != 1 or len(readers[0].inputs) != 1:
            return None
        return None if is_kernel(readers[0]) else readers[0]


def is_kernel(call):
    return node_kinds.node_kind(call.node) == node_kinds.KERNEL
