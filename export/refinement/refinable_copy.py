"""A copy of a network whose kernels can all be refined."""

from collections import Counter

import keras
from keras import layers

from kerastl.export.quantization.unique_names import UniqueNames
from kerastl.export.refinement.schedule import Schedule
from kerastl.surgery import graph as graphs
from kerastl.surgery.rebuild import rebuild

_CONVOLUTION = ("strides", "padding", "dilation_rate", "data_format")


def refinable_copy(model):
    """Copies a network, with a bias wherever one may be corrected.

    A kernel without a bias gets one of zeros, which an int8 file has in any
    case, unless a BatchNormalization follows, which can take the correction.
    A separable convolution becomes the two convolutions that a file makes of
    it. Names stay.

    Args:
        model: Functional model.
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
    names = UniqueNames(model)

    def clone(layer):
        if id(layer) not in lacking:
            return None
        return type(layer).from_config(_with_bias(layer.get_config()))

    def call(node, layer, *args, **kwargs):
        operation = node.operation
        if (
            type(operation) is not layers.SeparableConv2D
            or calls[id(operation)] != 1
        ):
            return layer(*args, **kwargs)
        first, second = _two_convolutions(
            operation, names, id(operation) in lacking
        )
        outputs = second(first(*args))
        first.set_weights([operation.depthwise_kernel])
        second.set_weights(
            [
                operation.pointwise_kernel,
                *([] if operation.bias is None else [operation.bias]),
                *second.get_weights()[1 + operation.use_bias :],
            ]
        )
        return outputs

    return rebuild(model, clone=clone, call=call)


def shifting_layer(group):
    """The BatchNormalization that can shift the outputs of a kernel."""
    if not group.affine:
        return None
    operation = group.affine[0].operation
    if type(operation) is layers.BatchNormalization:
        return operation
    return None


def _with_bias(config):
    return {**config, "use_bias": True, "bias_initializer": "zeros"}


def _two_convolutions(layer, names, lacks_bias):
    config = layer.get_config()
    shared = {key: config[key] for key in _CONVOLUTION}
    first = layers.DepthwiseConv2D(
        config["kernel_size"],
        depth_multiplier=config["depth_multiplier"],
        use_bias=False,
        name=names.new(f"{layer.name}_depthwise"),
        **shared,
    )
    config = {
        "filters": config["filters"],
        "kernel_size": 1,
        "data_format": config["data_format"],
        "activation": config["activation"],
        "use_bias": config["use_bias"],
        "name": layer.name,
    }
    if lacks_bias:
        config = _with_bias(config)
    return first, keras.layers.Conv2D.from_config(config)
