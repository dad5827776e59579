"""Checks of the arguments of anti-aliasing."""

from kerastl.arguments import checked_choice
from kerastl.arguments import checked_count
from kerastl.arguments import nearest_hint
from kerastl.layers.blur_pooling_2d import BORDERS
from kerastl.layers.blur_pooling_2d import MAX_KERNEL_SIZE

#: Where the blur of a convolution goes.
PLACES = ("after", "kernel")


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
    exclude = {exclude} if isinstance(exclude, str) else set(exclude)
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
