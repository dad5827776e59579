"""What a model costs."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from keras import layers

from kerastl.layers import AdaptiveBlurPooling2D
from kerastl.layers import BlurPooling2D
from kerastl.layers.kernel_blur import KernelBlur
from kerastl.surgery import graph as graphs

if TYPE_CHECKING:
    from typing import Literal
from typing import overload

import keras

_CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
_DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
_SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
_TRANSPOSED = (
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
)


@overload
def count_multiply_adds(
    model: keras.Model, by_layer: Literal[False] = False
) -> int: ...


@overload
def count_multiply_adds(
    model: keras.Model, by_layer: bool
) -> int | dict[str, int]: ...


def count_multiply_adds(
    model: keras.Model, by_layer: bool = False
) -> int | dict[str, int]:
    """Counts the multiply-adds of one image through a functional model.

    Convolutions (plain, depthwise, separable, transposed), `Dense` and
    `BlurPooling2D` are counted, those of nested models included; a layer
    called twice counts twice. Biases, normalisations, activations and
    poolings are not: they are small beside, or folded away at export.

    Args:
        model: a functional or built sequential `keras.Model` with a known
            input size.
        by_layer: return a dictionary from layer to count. Layers of nested
            models are named by path (`"backbone/Conv1"`).

    Returns:
        The number of multiply-adds, or a dictionary of them.

    Raises:
        ValueError: if the model is subclassed or a size is not known.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, strides=2)]
    ... )
    >>> kerastl.count_multiply_adds(model)
    972
    """
    counts = defaultdict(int)
    for _, node in graphs.walk(model):
        if not has_multiply_adds(node.operation):
            continue
        shapes = node.inputs[0].shape, node.outputs[0].shape
        if not sizes_are_known(node):
            raise ValueError(
                "Multiply-adds can be counted only for a model with a known "
                "input size. Build it with one, such as "
                "`keras.Input((224, 224, 3))`. "
                f"Received: layer={node.path} with input shape {shapes[0]}"
            )
        counts[node.path] += layer_multiply_adds(node.operation, *shapes)
    return dict(counts) if by_layer else sum(counts.values())


def has_multiply_adds(layer) -> bool:
    """Whether `layer_multiply_adds` counts anything for `layer`."""
    counted = (
        *_CONVOLUTIONS,
        *_DEPTHWISE,
        *_SEPARABLE,
        *_TRANSPOSED,
        layers.Dense,
        BlurPooling2D,
    )
    return isinstance(layer, counted)


def sizes_are_known(node) -> bool:
    """Whether a call's first input and output have a fixed size."""
    shapes = node.inputs[0].shape, node.outputs[0].shape
    return all(None not in shape[1:] for shape in shapes)


def layer_multiply_adds(layer, input_shape, output_shape) -> int:
    """Multiply-adds of one image through one layer, for full shapes."""
    outputs = math.prod(output_shape[1:])
    if isinstance(layer, layers.Dense):
        return outputs * input_shape[-1]
    carries_blur = isinstance(layer, KernelBlur)
    window = math.prod(
        layer.blurred_size if carries_blur else layer.kernel_size
    )
    if isinstance(layer, AdaptiveBlurPooling2D):
        # Every output channel reads its window; so does every predicted tap
        # of every group, in all channels.
        return outputs * window * (1 + layer.groups * window)
    if isinstance(layer, (*_DEPTHWISE, BlurPooling2D)):
        return outputs * window
    channel_axis = -1 if layer.data_format == "channels_last" else 1
    channels = input_shape[channel_axis]
    if isinstance(layer, _SEPARABLE):
        pixels = outputs // output_shape[channel_axis]
        middle = channels * layer.depth_multiplier
        return pixels * middle * window + outputs * middle
    if isinstance(layer, _TRANSPOSED):
        return math.prod(input_shape[1:]) * window * layer.filters
    return outputs * window * channels // layer.groups
