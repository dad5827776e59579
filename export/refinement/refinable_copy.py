"""A copy of a network whose kernels can all be refined."""

from collections import Counter

import numpy as np
from keras import layers

from kerastl.export.refinement.pixel_kernel import pixel_kernel
from kerastl.export.refinement.schedule import Schedule
from kerastl.surgery import graph as graphs
from kerastl.surgery.carry_state import carry_inside
from kerastl.surgery.layer_paths import UniqueNames
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
                _with_bias(operation.get_config())
            )
        outputs = layer(*args, **kwargs)
        if lacks_bias:
            weights = operation.get_weights()
            layer.set_weights([*weights, np.zeros(layer.bias.shape)])
        return outputs

    return rebuild(model, call=call)


def find_pixels(model):
    """Name of the `Rescaling` that alone reads the images, or `None`."""
    readers = [
        call
        for group in Schedule(model).groups
        for call in group.calls
        if 0 in call.inputs
    ]
    if len(readers) != 1:
        return None
    operation = readers[0].operation
    names = [node.operation.name for _, node in graphs.walk(model)]
    alone = names.count(operation.name) == 1
    return operation.name if alone and _is_rescaling(operation) else None


def _is_rescaling(operation):
    if type(operation) is not layers.Rescaling:
        return False
    return bool(np.all(np.asarray(operation.scale) > 0))


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
    config = layer.get_config()
    return layers.DepthwiseConv2D(
        config["kernel_size"],
        depth_multiplier=config["depth_multiplier"],
        name=names.new(f"{layer.name}_depthwise"),
        **{key: config[key] for key in _CONVOLUTION},
    )


def _pointwise(layer, lacks_bias):
    config = layer.get_config()
    config = {key: config[key] for key in _POINTWISE}
    if lacks_bias:
        config = _with_bias(config)
    return layers.Conv2D.from_config({**config, "kernel_size": 1})
