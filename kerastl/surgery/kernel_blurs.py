"""Decides which convolutions can carry their blur in the kernel."""

import dataclasses

from keras import layers

from kerastl.layers import BlurredConv2D
from kerastl.layers import BlurredDepthwiseConv2D
from kerastl.layers import BlurredSeparableConv2D
from kerastl.layers.sum_of_shifts import ShiftedDepthwiseConv2D
from kerastl.surgery.graph import Node

_BLURRED = {
    layers.Conv2D: BlurredConv2D,
    layers.DepthwiseConv2D: BlurredDepthwiseConv2D,
    ShiftedDepthwiseConv2D: BlurredDepthwiseConv2D,
    layers.SeparableConv2D: BlurredSeparableConv2D,
}


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
    config = {**layer.get_config(), "blur_size": taps}
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
