"""The numbers and flags among the arguments of a run, checked."""

from kerastl.arguments import MOST_SEED
from kerastl.arguments import checked_count
from kerastl.arguments import checked_flag
from kerastl.arguments import checked_number
from kerastl.arguments import several
from kerastl.export.runners.runner import MOST_THREADS
from kerastl.layers.blur_pooling_2d import MAX_KERNEL_SIZE

# What counts something, and the least of it, or the least and the most.
_COUNTS = {
    "epochs": (1,),
    "soup": (1,),
    "batch_size": (1,),
    "shots": (1,),
    "qat": (1,),
    "image_size": (8,),
    "threads": (1, MOST_THREADS),
    "seed": (0, MOST_SEED),
    "antialias": (1, MAX_KERNEL_SIZE),
}
_FLAGS = (
    "stem",
    "balance",
    "calibrate_confidence",
    "page",
    "tensorboard",
    "keep_head",
    "jit_compile",
)
_OPTIONAL = frozenset(
    {
        "shots",
        "qat",
        "image_size",
        "antialias",
        "learning_rate",
        "keep_head",
        "jit_compile",
    }
)


def check_numbers(arguments):
    """The numbers among a run's arguments, as Python's.

    Args:
        arguments: Dict of the arguments of `apps.fine_tune`; others in it are
            not looked at.

    Returns:
        Dict from name to number, or to `None` where that is a choice; of
        several learning rates to a list.

    Raises:
        ValueError: For what is no number, or one that trains nothing.
    """
    numbers = {}
    for name in (*_COUNTS, "learning_rate", "strength"):
        value = arguments[name]
        if value is None and name in _OPTIONAL:
            pass
        elif name == "learning_rate" and several(value) is not None:
            rates = several(value)
            value = [checked_number(name, each, above=0) for each in rates]
            if len(set(value)) < 2:
                raise ValueError(
                    "`learning_rate` must be a number, or several that differ; "
                    "`soup` (--soup) trains more than once at one. "
                    f"Received: learning_rate={value}"
                )
        elif name in _COUNTS:
            value = checked_count(name, value, *_COUNTS[name])
        else:
            value = checked_number(name, value, above=0)
        numbers[name] = value
    return numbers


def check_flags(arguments):
    """What is true or false among a run's arguments, as Python's bools.

    Args:
        arguments: As in `check_numbers`.

    Returns:
        Dict from name to bool, or to `None` where that is a choice.

    Raises:
        ValueError: For anything else, such as the text "no".
    """
    return {
        name: None
        if name in _OPTIONAL and arguments[name] is None
        else checked_flag(name, arguments[name])
        for name in _FLAGS
    }
