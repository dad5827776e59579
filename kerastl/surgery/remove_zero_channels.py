"""Takes channels out of a network that add nothing to it."""

import keras
import numpy as np

from kerastl.surgery.channel_flow import ChannelFlow
from kerastl.surgery.rebuild import rebuild


def remove_zero_channels(
    model: keras.Model, name: str | None = None
) -> keras.Model:
    """Copies a network without the channels that do not change its outputs.

    These are channels that are zero wherever they are read, and channels that
    are read with weights of zero only. The convolution that makes one loses a
    filter, and whoever reads it the weights for it: normalizations, depthwise
    convolutions, the next convolution; channels that a residual sum ties
    together go together or not at all. The result computes what `model`
    computes in inference, with fewer multiply-adds.

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

    >>> masked = kerastl.surgery.mask_channels(model, fraction=0.25)
    >>> small = kerastl.surgery.remove_zero_channels(masked)
    """
    flow = ChannelFlow(model)
    removed = flow.removable()
    slim = {}

    def stay(numbers):
        return np.array([n not in removed for n in flow.find(numbers)], bool)

    def call(node, layer, *args, **kwargs):
        operation = node.operation
        use = flow.uses.get(id(operation))
        if use is None:
            wide = node.inputs and node.inputs[0].shape
            if (
                type(operation) is keras.layers.Reshape
                and args[0].shape != wide
            ):
                layer = _reshape(node, args[0])
            return layer(*args, **kwargs)
        if id(operation) not in slim:
            slim[id(operation)] = use.slim_layer(
                stay(use.inputs), stay(use.outputs)
            )
            slim[id(operation)][0].trainable = True
        return slim[id(operation)][0](*args, **kwargs)

    small = rebuild(model, call=call, name=name)
    for layer, values in slim.values():
        layer.set_weights(values)
    return small


def _reshape(node, inputs):
    """The `Reshape` for a map that may have lost channels."""
    target = list(node.outputs[0].shape[1:])
    wide = node.inputs[0].shape
    if target[-1] == wide[-1]:
        target[-1] = inputs.shape[-1]
    else:
        target = [-1]
    return keras.layers.Reshape(target, name=node.operation.name)
