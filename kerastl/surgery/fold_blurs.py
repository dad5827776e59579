"""Makes plain convolutions of those that carry a blur."""

import keras
import numpy as np
from keras import layers

from kerastl.layers import BlurredConv2D
from kerastl.layers import BlurredDepthwiseConv2D
from kerastl.layers import BlurredSeparableConv2D
from kerastl.surgery import graph as graphs
from kerastl.surgery.rebuild import rebuild

_PLAIN = {
    BlurredConv2D: layers.Conv2D,
    BlurredDepthwiseConv2D: layers.DepthwiseConv2D,
    BlurredSeparableConv2D: layers.SeparableConv2D,
}
_OWN = ("blur_size", "zero_padding")
# They are of the weights that were learned, and this kernel is another.
_OF_TRAINING = ("regularizer", "constraint")


def fold_blurs(model, name=None) -> keras.Model:
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
    folded = {}

    def call(node, layer, *args, **kwargs):
        operation = node.operation
        if type(operation) not in _PLAIN:
            return layer(*args, **kwargs)
        if id(operation) not in folded:
            folded[id(operation)] = _plain_layers(operation)
        outputs = args[0]
        for each in folded[id(operation)]:
            outputs = each(outputs)
        return outputs

    return rebuild(model, call=call, name=name)


def has_kernel_blurs(model) -> bool:
    """Whether `fold_blurs` would change a functional model."""
    return any(type(node.operation) in _PLAIN for _, node in graphs.walk(model))


def _plain_layers(layer):
    """The layers of Keras that compute the same, in order."""
    input_shape = layer.get_build_config()["input_shape"]
    padding, widths = layer.placement(input_shape)
    config = {
        name: value
        for name, value in layer.get_config().items()
        if name not in _OWN and not name.endswith(_OF_TRAINING)
    }
    plain = _PLAIN[type(layer)].from_config(
        {**config, "kernel_size": layer.blurred_size, "padding": padding}
    )
    # Variables take `trainable` over when they are made.
    plain.trainable = True
    border = None
    if np.any(widths):
        border = layers.ZeroPadding2D(
            widths,
            data_format=layer.data_format,
            name=f"{layer.name}_border",
            dtype=layer.dtype_policy,
        )
        input_shape = border.compute_output_shape(input_shape)
    plain.build(input_shape)
    plain.set_weights([layer.larger_kernel(), *layer.get_weights()[1:]])
    return [plain] if border is None else [border, plain]
