"""Makes plain convolutions of those that carry a blur."""

import keras
import numpy as np
from keras import layers

from kerastl.layers import BlurredConv2D
from kerastl.layers import BlurredDepthwiseConv2D
from kerastl.layers import BlurredSeparableConv2D
from kerastl.surgery import graph as graphs
from kerastl.surgery.carry_state import carry_inside
from kerastl.surgery.layer_paths import UniqueNames
from kerastl.surgery.plain_weights import with_plain_weights
from kerastl.surgery.rebuild import config_of
from kerastl.surgery.rebuild import rebuild

_PLAIN = {
    BlurredConv2D: layers.Conv2D,
    BlurredDepthwiseConv2D: layers.DepthwiseConv2D,
    BlurredSeparableConv2D: layers.SeparableConv2D,
}
_OWN = ("blur_size", "zero_padding")
_OTHER_WEIGHTS = ("pointwise_kernel", "bias")
# They are of the weights that were learned, and this kernel is another.
_OF_TRAINING = ("regularizer", "constraint")


def fold_blurs(model: keras.Model, name: str | None = None) -> keras.Model:
    """Copies a network with its blurs multiplied into the kernels.

    What `kerastl.antialias(place="kernel")` rewrote becomes a plain strided
    convolution with a larger kernel, its regularizers and constraints gone.
    The result computes what `model` does, up to rounding. An export does this
    by itself. Blurs that are layers of their own stay.

    Args:
        model: A functional or built sequential `keras.Model`; nested models
            are rewritten too.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`, not
        compiled.

    Raises:
        ValueError: If the model is subclassed.

    Example:

    >>> student = kerastl.antialias(source, place="kernel")
    >>> plain = kerastl.surgery.fold_blurs(student)
    """
    name = name or model.name
    model = with_plain_weights(model)
    names = UniqueNames(model)
    placements, folded = _placements(model), {}

    def call(node, layer, *args, **kwargs):
        operation = node.operation
        if type(operation) not in _PLAIN:
            return layer(*args, **kwargs)
        # Maps of several sizes need several borders, and none of its own.
        explicit = len(placements[id(operation)]) > 1
        shape = tuple(args[0].shape)
        padding, widths = operation.placement(shape, explicit)
        outputs = args[0]
        if np.any(widths):
            key = id(operation), widths
            if key not in folded:
                folded[key] = _border(operation, widths, names)
            outputs = folded[key](outputs)
        if id(operation) not in folded:
            folded[id(operation)] = _plain_layer(
                operation, padding, outputs.shape
            )
        return folded[id(operation)](outputs)

    return rebuild(model, call=call, name=name)


def has_kernel_blurs(model) -> bool:
    """Whether `fold_blurs` would change a functional model."""
    return any(type(node.operation) in _PLAIN for _, node in graphs.walk(model))


def _placements(model):
    """How each larger kernel is laid on the maps of its calls."""
    found = {}
    for _, node in graphs.walk(model):
        layer = node.operation
        if type(layer) in _PLAIN:
            placement = layer.placement(tuple(node.inputs[0].shape))
            found.setdefault(id(layer), set()).add(placement)
    return found


def _border(layer, widths, names):
    return layers.ZeroPadding2D(
        widths,
        data_format=layer.data_format,
        name=names.new(f"{layer.name}_border"),
        dtype=layer.dtype_policy,
    )


def _plain_layer(layer, padding, input_shape):
    """The layer of Keras that computes the same behind the border."""
    config = {
        name: value
        for name, value in config_of(layer).items()
        if name not in _OWN and not name.endswith(_OF_TRAINING)
    }
    plain = _PLAIN[type(layer)].from_config(
        {**config, "kernel_size": layer.blurred_size, "padding": padding}
    )
    # Variables take `trainable` over when they are made.
    plain.trainable = True
    plain.build(input_shape)
    plain.weights[0].assign(layer.larger_kernel())
    for name in _OTHER_WEIGHTS:
        if getattr(layer, name, None) is not None:
            value = keras.ops.convert_to_numpy(getattr(layer, name))
            getattr(plain, name).assign(value)
    carry_inside(layer, plain)
    return plain
