"""Checks of the arguments of anti-aliasing."""

from kerastl.arguments import checked_choice
from kerastl.arguments import nearest_hint
from kerastl.layers.blur_pooling_2d import BORDERS
from kerastl.layers.blur_pooling_2d import MAX_KERNEL_SIZE

#: Where the blur of a convolution goes.
PLACES = ("after", "kernel")


def check_arguments(kernel_size, padding, place):
    """Refuses what `kerastl.antialias` cannot do."""
    if (
        not isinstance(kernel_size, int)
        or isinstance(kernel_size, bool)
        or not 1 <= kernel_size <= MAX_KERNEL_SIZE
    ):
        raise ValueError(
            f"`kernel_size` must be an integer from 1 to {MAX_KERNEL_SIZE}. "
            f"Received: kernel_size={kernel_size!r}"
        )
    if padding not in BORDERS:
        raise ValueError(
            f"`padding` must be one of {list(BORDERS)}. "
            f"Received: padding={padding!r}"
        )
    checked_choice("place", place, PLACES)


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
