"""What a call in a graph is to an 8-bit file."""

import keras
import numpy as np
from keras import layers

from kerastl.export.quantization.quantized_activation import FUSED
from kerastl.export.quantization.quantized_activation import ActivationQuantizer
from kerastl.export.quantization.quantized_activation import QuantizedActivation
from kerastl.export.quantization.quantized_layers import QuantizedBlurredConv2D
from kerastl.export.quantization.quantized_layers import (
    QuantizedBlurredDepthwiseConv2D,
)
from kerastl.export.quantization.quantized_layers import (
    QuantizedBlurredSeparableConv2D,
)
from kerastl.export.quantization.quantized_layers import QuantizedConv2D
from kerastl.export.quantization.quantized_layers import QuantizedDense
from kerastl.export.quantization.quantized_layers import (
    QuantizedDepthwiseConv2D,
)
from kerastl.export.quantization.quantized_layers import (
    QuantizedSeparableConv2D,
)
from kerastl.layers import BlurPooling2D
from kerastl.layers import BlurredConv2D
from kerastl.layers import BlurredDepthwiseConv2D
from kerastl.layers import BlurredSeparableConv2D
from kerastl.layers.sum_of_shifts import ShiftedDepthwiseConv2D
from kerastl.surgery.graph import is_graph

#: Keras layer -> the layer that simulates its int8 kernel.
QUANTIZED = {
    layers.Conv2D: QuantizedConv2D,
    layers.Dense: QuantizedDense,
    layers.DepthwiseConv2D: QuantizedDepthwiseConv2D,
    ShiftedDepthwiseConv2D: QuantizedDepthwiseConv2D,
    layers.SeparableConv2D: QuantizedSeparableConv2D,
    BlurredConv2D: QuantizedBlurredConv2D,
    BlurredDepthwiseConv2D: QuantizedBlurredDepthwiseConv2D,
    BlurredSeparableConv2D: QuantizedBlurredSeparableConv2D,
}
# They hand values on: their output has the levels of their input.
_PASSING = (
    layers.ActivityRegularization,
    layers.AlphaDropout,
    layers.Cropping2D,
    layers.Dropout,
    layers.Flatten,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.GlobalMaxPooling2D,
    layers.Identity,
    layers.MaxPooling2D,
    layers.Permute,
    layers.Reshape,
    layers.SpatialDropout2D,
    layers.ZeroPadding2D,
)
_PASSING_OPERATIONS = (
    "ExpandDims",
    "GetItem",
    "Identity",
    "Max",
    "MaxPool",
    "Reshape",
    "Squeeze",
    "Transpose",
)
_POOLING = (
    layers.AveragePooling2D,
    layers.GlobalAveragePooling2D,
    layers.Resizing,
    layers.UpSampling2D,
)
_POOLING_OPERATIONS = ("AveragePool", "Mean")
_MERGES = (layers.Add, layers.Multiply, layers.Subtract)
_MERGE_OPERATIONS = ("Add", "Multiply", "Subtract")
_ACTIVATION_OPERATIONS = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard_sigmoid",
    "Tanh": "tanh",
    "Silu": "silu",
    "HardSilu": "hard_silu",
    "Softmax": "softmax",
}
_AFFINE_LAYERS = (
    layers.BatchNormalization,
    layers.Normalization,
    layers.Rescaling,
)

#: A layer with a kernel.
KERNEL = "kernel"
#: A factor and an offset for each channel.
AFFINE = "affine"
ACTIVATION = "activation"
MERGE = "merge"
CONCATENATION = "concatenation"
POOLING = "pooling"
BLUR = "blur"
PASSING = "passing"
NESTED = "nested"
QUANTIZER = "quantizer"
#: Not covered.
FLOAT = "float"


def node_kind(node):
    """Returns one of the constants above."""
    operation = node.operation
    if is_graph(operation):
        return NESTED
    if isinstance(operation, ActivationQuantizer):
        return QUANTIZER
    if type(operation) in QUANTIZED.values():
        return KERNEL
    if type(operation) in QUANTIZED:
        return KERNEL if quantized_class(operation) else FLOAT
    if affine_coefficients(node) is not None:
        return AFFINE
    name = activation_name(node)
    if name == "linear":
        return PASSING
    if name is not None or type(operation) is layers.LeakyReLU:
        return ACTIVATION
    is_layer = isinstance(operation, keras.Layer)
    if _is_float_cast(node) or _only_crops(node):
        return PASSING
    name = None if is_layer else type(operation).__name__
    for kind, classes, names in (
        (PASSING, _PASSING, _PASSING_OPERATIONS),
        (POOLING, _POOLING, _POOLING_OPERATIONS),
        (MERGE, _MERGES, _MERGE_OPERATIONS),
        (CONCATENATION, (layers.Concatenate,), ("Concatenate",)),
        (BLUR, (BlurPooling2D,), ()),
    ):
        if type(operation) in classes or name in names:
            known = kind != MERGE or len(node.inputs) > 1
            return kind if known and _channels_last(operation) else FLOAT
    return FLOAT


def rescales(node):
    """Whether the integer kernel of a pooling has a scale of its own.

    That of a mean has; average pooling and resizing keep that of their input.
    """
    operation = node.operation
    return (
        type(operation) is layers.GlobalAveragePooling2D
        or type(operation).__name__ == "Mean"
    )


def quantized_class(layer):
    """The class that simulates a Keras layer's kernel, `None` if there is none.

    A subclass may compute anything, so it is not taken for its base.
    """
    if (
        type(layer) not in QUANTIZED
        or _activation_name(layer) is None
        or not _channels_last(layer)
    ):
        return None
    return QUANTIZED[type(layer)]


def activation_name(node):
    """Name of the function that a call ends with, `None` if not covered.

    A layer with a kernel and no activation ends with "linear".
    """
    return _activation_name(node.operation)


def _activation_name(operation):
    if isinstance(operation, QuantizedActivation):
        return operation.activation
    if type(operation) in QUANTIZED.values():
        return operation.quantized_activation.activation
    if isinstance(operation, layers.ReLU):
        plain = not operation.negative_slope and not operation.threshold
        names = {None: "relu", 6: "relu6"}
        return names.get(operation.max_value) if plain else None
    if type(operation) is layers.Softmax:
        return "softmax" if operation.axis in (-1, [-1]) else None
    if type(operation) in (*QUANTIZED, layers.Activation):
        name = keras.activations.serialize(operation.activation)
        known = (*FUSED, *_ACTIVATION_OPERATIONS.values())
        return name if name in known else None
    if isinstance(operation, keras.Layer):
        return None
    return _ACTIVATION_OPERATIONS.get(type(operation).__name__)


def affine_coefficients(node):
    """Returns `(factors, offsets)` of a call that is `factors * x + offsets`.

    They are float64 arrays that broadcast over the last axis. `None` for
    every other call. One channel may become several.
    """
    operation = node.operation
    if not isinstance(operation, keras.Layer):
        return _constant_operation(node)
    if type(operation) not in _AFFINE_LAYERS:
        return None
    if isinstance(operation, layers.Rescaling):
        return _arrays(operation.scale, operation.offset)
    channels = node.inputs[0].shape[-1]
    axis = np.ravel(operation.axis)
    if list(axis % len(node.inputs[0].shape)) != [
        len(node.inputs[0].shape) - 1
    ]:
        return None
    if isinstance(operation, layers.Normalization):
        if operation.invert:
            return None
        mean, variance = operation.mean, operation.variance
        factors = 1 / np.maximum(
            np.sqrt(np.ravel(variance)), keras.config.epsilon()
        )
        return _arrays(factors, -np.ravel(mean) * factors)
    variance = _numpy(operation.moving_variance)
    factors = 1 / np.sqrt(variance + operation.epsilon)
    if operation.scale:
        factors = factors * _numpy(operation.gamma)
    offsets = -_numpy(operation.moving_mean) * factors
    if operation.center:
        offsets = offsets + _numpy(operation.beta)
    return _arrays(np.broadcast_to(factors, channels), offsets)


def _constant_operation(node):
    name = type(node.operation).__name__
    operands = [*node.args, *node.kwargs.values()]
    if (
        name not in ("Add", "Subtract", "Multiply", "TrueDivide", "Divide")
        or len(operands) != 2
        or len(node.inputs) != 1
    ):
        return None
    first = isinstance(operands[0], keras.KerasTensor)
    constant = np.asarray(operands[1 if first else 0], dtype="float64")
    if constant.size not in (1, constant.shape[-1] if constant.ndim else 1):
        return None
    # It may have more dimensions than what it is applied to.
    if len(node.outputs[0].shape) != len(node.inputs[0].shape):
        return None
    constant = constant.ravel()
    if name == "Add":
        return _arrays(1.0, constant)
    if name == "Multiply":
        return _arrays(constant, 0.0)
    if name == "Subtract":
        return _arrays(1.0, -constant) if first else _arrays(-1.0, constant)
    return _arrays(1 / constant, 0.0) if first else None


def _only_crops(node):
    if type(node.operation) is not layers.CenterCrop:
        return False
    # Images that are too small are resized.
    sizes = zip(node.inputs[0].shape, node.outputs[0].shape, strict=True)
    return all(before is None or before >= after for before, after in sizes)


def _is_float_cast(node):
    name = type(node.operation).__name__
    return name == "Cast" and "float" in node.outputs[0].dtype


def _arrays(factors, offsets):
    return tuple(
        np.atleast_1d(np.asarray(each, dtype="float64"))
        for each in (factors, offsets)
    )


def _numpy(variable):
    return keras.ops.convert_to_numpy(variable).astype("float64")


def _channels_last(operation):
    return getattr(operation, "data_format", None) in (None, "channels_last")
