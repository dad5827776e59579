"""A copy of a network whose kernels can all be refined."""

import dataclasses
import math
from collections import Counter

import numpy as np
from keras import layers

from kerastl.export.quantization import node_kinds
from kerastl.export.quantization.placement import affine_chain
from kerastl.export.quantization.placement import rounds_output
from kerastl.surgery import graph as graphs
from kerastl.surgery.carry_state import carry_inside
from kerastl.surgery.flat_graph import FlatCall
from kerastl.surgery.flat_graph import FlatGraph
from kerastl.surgery.graph import walk
from kerastl.surgery.layer_paths import UniqueNames
from kerastl.surgery.rebuild import config_of
from kerastl.surgery.rebuild import rebuild

_CONVOLUTION = ("strides", "padding", "dilation_rate", "data_format")
_POINTWISE = ("name", "filters", "data_format", "activation", "use_bias")


def refinable_copy(model, pixels=None):
    """Copies a network, with a bias wherever one may be corrected.

    A kernel without a bias gets one of zeros, which an int8 file has in any
    case, unless a BatchNormalization follows, which can take the correction.
    A separable convolution becomes the two convolutions that a file makes of
    it. Names stay.

    Args:
        model: Functional model.
        pixels: Name of the `Rescaling` that becomes a kernel, or `None`; see
            `find_pixels`.
    """
    schedule = Schedule(model)
    calls = Counter(id(node.operation) for _, node in graphs.walk(model))
    lacking = {
        id(group.kernel.operation)
        for group in schedule.groups
        if group.kernel is not None
        and not group.kernel.operation.use_bias
        and shifting_layer(group) is None
        and calls[id(group.kernel.operation)] == 1
    }
    names, pairs = UniqueNames(model), {}

    def call(node, layer, *args, **kwargs):
        operation = node.operation
        if operation.name == pixels:
            return pixel_kernel(operation, args[0].shape[-1])(args[0])
        lacks_bias = id(operation) in lacking
        if type(operation) is layers.SeparableConv2D:
            if id(operation) not in pairs:
                pairs[id(operation)] = _separated(
                    operation, args[0].shape, lacks_bias, names
                )
            depthwise, pointwise = pairs[id(operation)]
            return pointwise(depthwise(args[0]))
        if lacks_bias:
            layer = type(operation).from_config(
                _with_bias(config_of(operation))
            )
        outputs = layer(*args, **kwargs)
        if lacks_bias:
            weights = operation.get_weights()
            layer.set_weights([*weights, np.zeros(layer.bias.shape)])
        return outputs

    return rebuild(model, call=call)


def find_pixels(model):
    """Name of the `Rescaling` that alone reads the images, or `None`.

    Also `None` where the converter folds it into the kernels behind it: what
    has no offset, or is read by convolutions that pad with nothing. A kernel
    of its own would be one operator more.
    """
    calls = [call for group in Schedule(model).groups for call in group.calls]
    readers = [call for call in calls if 0 in call.inputs]
    if len(readers) != 1:
        return None
    operation = readers[0].operation
    names = [node.operation.name for _, node in graphs.walk(model)]
    if names.count(operation.name) != 1 or not _is_rescaling(operation):
        return None
    scaled = readers[0].outputs[0]
    behind = [call.operation for call in calls if scaled in call.inputs]
    return None if all(map(_takes_an_offset, behind)) else operation.name


def _is_rescaling(operation):
    if type(operation) is not layers.Rescaling:
        return False
    offset = np.asarray(operation.offset)
    return bool(np.all(np.asarray(operation.scale) > 0) and np.any(offset))


def _takes_an_offset(operation):
    """Whether its bias can hold what a constant in its inputs adds."""
    kinds = layers.Conv2D, layers.DepthwiseConv2D
    return isinstance(operation, kinds) and operation.padding == "valid"


def shifting_layer(group):
    """The BatchNormalization that can shift the outputs of a kernel."""
    if not group.affine:
        return None
    operation = group.affine[0].operation
    if type(operation) is layers.BatchNormalization:
        return operation
    return None


def _with_bias(config):
    return {**config, "use_bias": True}


def _separated(layer, input_shape, lacks_bias, names):
    """The two layers that a separable convolution becomes, also if shared."""
    depthwise = _depthwise(layer, names)
    depthwise.build(input_shape)
    depthwise.set_weights(
        [layer.depthwise_kernel, np.zeros(depthwise.bias.shape)]
    )
    pointwise = _pointwise(layer, lacks_bias)
    pointwise.build(depthwise.compute_output_shape(input_shape))
    weights = [layer.pointwise_kernel]
    if pointwise.use_bias:
        bias = np.zeros(layer.filters) if lacks_bias else layer.bias
        weights.append(bias)
    pointwise.set_weights(weights)
    carry_inside(layer, pointwise)
    return depthwise, pointwise


def _depthwise(layer, names):
    config = config_of(layer)
    return layers.DepthwiseConv2D(
        config["kernel_size"],
        depth_multiplier=config["depth_multiplier"],
        name=names.new(f"{layer.name}_depthwise"),
        **{key: config[key] for key in _CONVOLUTION},
    )


def _pointwise(layer, lacks_bias):
    config = config_of(layer)
    config = {key: config[key] for key in _POINTWISE}
    if lacks_bias:
        config = _with_bias(config)
    return layers.Conv2D.from_config({**config, "kernel_size": 1})


# Of a level, that zero may be off one.
_NEAR = 0.01


def pixel_kernel(layer, channels):
    """Returns the 1x1 depthwise convolution that computes a `Rescaling`.

    TFLite writes a `Rescaling` as a product and a sum, and gives the product
    the range of both: of 256 bytes two thirds are left. A convolution is
    rounded once.

    Args:
        layer: A `Rescaling` that reads images.
        channels: Channels of an image.
    """
    kernel = layers.DepthwiseConv2D(1, name=layer.name)
    kernel.build((None, None, None, channels))
    scale, offset = (
        np.broadcast_to(np.float32(each), channels)
        for each in (layer.scale, layer.offset)
    )
    kernel.set_weights([scale.reshape(1, 1, channels, 1), offset])
    return kernel


def offset_to_levels(kernel):
    """How far to move the outputs of a `pixel_kernel` onto levels.

    `x / 127.5 - 1` puts zero halfway between two bytes. A file has a level
    for zero, so that all its pixels lie halfway between two levels, and go
    up or down as a runtime happens to round. Moved by half of a byte every
    byte is a level; what that changes is one mean of each output behind,
    which a bias takes away.

    Args:
        kernel: A `pixel_kernel`.

    Returns:
        A float, 0.0 where nothing is gained.
    """
    scale, offset = (each.ravel() for each in kernel.get_weights())
    if np.ptp(scale) or np.ptp(offset):
        return 0.0  # one scale for all channels cannot be that of each
    zero = float(-offset[0] / scale[0])
    # Halves go down, whatever the last bit of the float says.
    distance = zero - math.floor(zero + 0.5 - _NEAR)
    return distance * float(scale[0]) if abs(distance) > _NEAR else 0.0


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
            if _is_kernel(call):
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
        return None if _is_kernel(readers[0]) else readers[0]


def _is_kernel(call):
    return node_kinds.node_kind(call.node) == node_kinds.KERNEL
