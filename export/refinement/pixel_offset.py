"""Preprocessing that leaves bytes on the levels of an int8 file."""

import keras

# Of a level, that zero may be off one.
_NEAR = 0.01


def find_rescaling(groups):
    """The call that scales the images of a network, or `None`.

    Args:
        groups: Of a `Schedule`, whose tensor 0 are the images.
    """
    for group in groups:
        for call in group.calls:
            if call.inputs == [0] and type(call.operation) is (
                keras.layers.Rescaling
            ):
                return call
    return None


def whole_offset(layer):
    """The offset that keeps bytes on levels, or `None` if it does already.

    `x / 127.5 - 1` puts zero halfway between two bytes. A file has a level
    for zero, so that all its pixels lie halfway between two levels, and are
    moved by half of one, upwards or at random as the runtime happens to
    round. With the offset -128 / 127.5 every byte is a level, and what the
    change adds to each output is one mean, which the bias behind takes away.

    Args:
        layer: A `Rescaling` of bytes.
    """
    scale, offset = layer.scale, layer.offset
    if not isinstance(scale, (int, float)) or not isinstance(
        offset, (int, float)
    ):
        return None
    zero = -offset / scale
    whole = round(zero)
    if abs(zero - whole) <= _NEAR:
        return None
    return -whole * scale
