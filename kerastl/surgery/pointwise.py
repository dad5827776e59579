"""Tells which calls work on every pixel by itself."""

import numbers

import keras
from keras import layers

NEUTRAL = "neutral"
NON_LINEAR = "non-linear"

_NEUTRAL_LAYERS = (
    layers.ActivityRegularization,
    layers.AlphaDropout,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
    layers.Rescaling,
    layers.SpatialDropout2D,
)
_NON_LINEAR_LAYERS = (
    layers.Activation,
    layers.ELU,
    layers.LeakyReLU,
    layers.ReLU,
)
_NORMALIZATIONS = (
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.RMSNormalization,
    layers.UnitNormalization,
)
# The classes of `keras.ops` have no public names.
_NON_LINEAR_OPERATIONS = {
    "Celu",
    "Clip",
    "Elu",
    "Gelu",
    "HardSigmoid",
    "HardSilu",
    "HardTanh",
    "LeakyRelu",
    "Maximum",
    "Minimum",
    "Relu",
    "Relu6",
    "Selu",
    "Sigmoid",
    "Silu",
    "Softplus",
    "Softsign",
    "Tanh",
}
_NEUTRAL_OPERATIONS = {
    "Add",
    "Cast",
    "Divide",
    "Identity",
    "Multiply",
    "Negative",
    "Subtract",
    "TrueDivide",
}


def pointwise_effect(node):
    """What a call does to a feature map, if it treats each pixel by itself.

    Such a call gives the same values whether it comes before or after a
    subsampling.

    Args:
        node: a `kerastl.surgery.graph.Node`.

    Returns:
        `"neutral"`, `"non-linear"` (an activation), or `None` when the call
        mixes pixels, has weights of its own for each of them, or is unknown.
    """
    operation = node.operation
    if len(node.inputs) != 1 or len(node.outputs) != 1:
        return None
    if not isinstance(operation, layers.Layer):
        return _operation_effect(node)
    if isinstance(operation, layers.Activation):
        linear = operation.activation is keras.activations.linear
        return NEUTRAL if linear else NON_LINEAR
    if isinstance(operation, _NON_LINEAR_LAYERS):
        return NON_LINEAR
    if isinstance(operation, _NEUTRAL_LAYERS):
        return NEUTRAL
    if isinstance(operation, _NORMALIZATIONS):
        return NEUTRAL if _normalizes_channels(node) else None
    if isinstance(operation, layers.PReLU):
        # Without shared axes it has a slope for every pixel.
        shared = operation.shared_axes or []
        pixels = {1, 2}, {2, 3}
        return NON_LINEAR if any(p <= set(shared) for p in pixels) else None
    return None


def _operation_effect(node):
    name = type(node.operation).__name__
    others = [
        value
        for value in keras.tree.flatten((node.args, node.kwargs))
        if not isinstance(value, keras.KerasTensor)
    ]
    # A constant array may hold a number for every pixel.
    if not all(
        value is None or isinstance(value, (numbers.Number, str))
        for value in others
    ):
        return None
    if name in _NON_LINEAR_OPERATIONS:
        return NON_LINEAR
    return NEUTRAL if name in _NEUTRAL_OPERATIONS else None


def _normalizes_channels(node):
    axis = node.operation.axis
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    rank = len(node.inputs[0].shape)
    channels = (
        1 if keras.config.image_data_format() == "channels_first" else rank - 1
    )
    return [a % rank for a in axes] == [channels]
