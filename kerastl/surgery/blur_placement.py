"""Where a blur goes.

Behind which call, into which kernel, and which arguments say so.
"""

import dataclasses

import keras
from keras import layers

from kerastl.arguments import as_names
from kerastl.arguments import checked_choice
from kerastl.arguments import checked_count
from kerastl.arguments import nearest_hint
from kerastl.layers import BlurredConv2D
from kerastl.layers import BlurredDepthwiseConv2D
from kerastl.layers import BlurredSeparableConv2D
from kerastl.layers.blur_pooling_2d import BORDERS
from kerastl.layers.blur_pooling_2d import MAX_KERNEL_SIZE
from kerastl.layers.sum_of_shifts import ShiftedDepthwiseConv2D
from kerastl.surgery.downsampling import MAX_POOLING
from kerastl.surgery.graph import Node
from kerastl.surgery.pointwise import NON_LINEAR
from kerastl.surgery.pointwise import pointwise_effect
from kerastl.surgery.rebuild import config_of

#: Where the blur of a convolution goes.
PLACES = ("after", "kernel")

_BLURRED = {
    layers.Conv2D: BlurredConv2D,
    layers.DepthwiseConv2D: BlurredDepthwiseConv2D,
    ShiftedDepthwiseConv2D: BlurredDepthwiseConv2D,
    layers.SeparableConv2D: BlurredSeparableConv2D,
}


def check_arguments(kernel_size, padding, place):
    """Refuses what `antialias` cannot do; returns the taps as an int."""
    taps = checked_count("kernel_size", kernel_size, most=MAX_KERNEL_SIZE)
    if padding not in BORDERS:
        raise ValueError(
            f"`padding` must be one of {list(BORDERS)}. "
            f"Received: padding={padding!r}"
        )
    checked_choice("place", place, PLACES)
    return taps


def check_exclude(exclude, calls):
    """The names to exclude as a set, each of them a layer of the model."""
    exclude = set(as_names(exclude))
    known = {node.path for _, node in calls} | names_of(calls)
    for name in sorted(exclude - known):
        raise ValueError(
            "`exclude` names a layer that the model does not have."
            f"{nearest_hint(name, known)} Received: "
            f"exclude={sorted(exclude)} with {name!r}"
        )
    return exclude


def names_of(calls):
    """Names of the layers, and of the nested models that hold them."""
    return {name for _, node in calls for name in node.path.split("/")}


def blur_place(graph, node, found):
    """The call behind which a blur goes, and whether it is an activation.

    It is the last activation of the unbranched chain of pixel-wise calls that
    starts with `node`: a blur before the non-linearity would be no more than
    a blurred stride. Without an activation it is `node` itself, and so it is
    for a max pooling, which is not linear.
    """
    if found.kind == MAX_POOLING:
        return node, True
    place, non_linear = node, _has_activation(node.operation)
    last = node
    while True:
        tensor = last.outputs[0]
        readers = graph.readers(tensor)
        if len(readers) != 1 or graph.is_output(tensor):
            return place, non_linear
        last = readers[0]
        effect = pointwise_effect(last)
        if effect is None:
            return place, non_linear
        if effect == NON_LINEAR:
            place, non_linear = last, True


def _has_activation(layer):
    activation = getattr(layer, "activation", None)
    return activation not in (None, keras.activations.linear)


@dataclasses.dataclass(frozen=True)
class KernelBlurPlan:
    """The layer that takes a convolution's place.

    Attributes:
        layer: its class.
        config: its config.
        border: the call of a `ZeroPadding2D` that it takes over, or `None`.
    """

    layer: type
    config: dict
    border: Node | None


def plan_kernel_blur(graph, node, found, taps):
    """Plans a strided convolution with the blur in its kernel.

    A `ZeroPadding2D` before it that nothing else reads is taken over: the
    larger kernel needs more zeros, and the convolution can often add all of
    them by itself.

    Args:
        graph: the `kerastl.surgery.graph.Graph` of the call.
        node: the only call of the convolution.
        found: its `kerastl.surgery.downsampling.Downsampling`.
        taps: pair of taps of the blur.

    Returns:
        A `KernelBlurPlan`, or in a sentence why the kernel cannot carry it.
    """
    layer = node.operation
    blurred = _BLURRED.get(type(layer))
    if blurred is None:
        return f"a {type(layer).__name__} may compute anything"
    size = node.inputs[0].shape
    size = size[1:3] if found.data_format == "channels_last" else size[2:4]
    fits = all(
        known is not None or (window >= stride and count % 2)
        for known, window, stride, count in zip(
            size, found.window, found.strides, taps, strict=True
        )
    )
    if found.padding == "same" and not fits:
        return "its padding depends on a size that is not known"
    border = _border(graph, node, found)
    config = {**config_of(layer), "blur_size": taps}
    if border is not None:
        config["zero_padding"] = border.operation.padding
    return KernelBlurPlan(blurred, config, border)


def _border(graph, node, found):
    """The call that pads what the convolution alone reads, or `None`."""
    tensor = node.inputs[0]
    maker = graph.maker(tensor)
    if (
        maker is None
        or type(maker.operation) is not layers.ZeroPadding2D
        or maker.operation.data_format != found.data_format
        or found.padding != "valid"
        or len(graph.readers(tensor)) != 1
        or graph.is_output(tensor)
    ):
        return None
    return maker
