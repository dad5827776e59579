"""Preprocessing that leaves bytes on the levels of an int8 file."""

import numpy as np
from keras import layers

# Of a level, that zero may be off one.
_NEAR = 0.01


def pixel_kernel(layer, channels):
    """Returns the 1x1 depthwise convolution that computes a `Rescaling`.

    TFLite writes a `Rescaling` as a product and a sum, and gives the product
    the range of both: of 256 bytes two thirds are left. A convolution is
    rounded once.

    Args:
        layer: A `Rescaling` that reads images.
        channels: Channels of an image.
    """
    kernel = layers.DepthwiseConv2D(1, name=layer.name)
    kernel.build((None, None, None, channels))
    scale, offset = (
        np.broadcast_to(np.float32(each), channels)
        for each in (layer.scale, layer.offset)
    )
    kernel.set_weights([scale.reshape(1, 1, channels, 1), offset])
    return kernel


def offset_to_levels(kernel):
    """How far to move the outputs of a `pixel_kernel` onto levels.

    `x / 127.5 - 1` puts zero halfway between two bytes. A file has a level
    for zero, so that all its pixels lie halfway between two levels, and go
    up or down as a runtime happens to round. Moved by half of a byte every
    byte is a level; what that changes is one mean of each output behind,
    which a bias takes away.

    Args:
        kernel: A `pixel_kernel`.

    Returns:
        A float, 0.0 where nothing is gained.
    """
    scale, offset = (each.ravel() for each in kernel.get_weights())
    if np.ptp(scale) or np.ptp(offset):
        return 0.0  # one scale for all channels cannot be that of each
    zero = float(-offset[0] / scale[0])
    distance = zero - round(zero)
    return distance * float(scale[0]) if abs(distance) > _NEAR else 0.0
