"""Whether a method fits what a run is given, checked before it begins."""

import math

from kerastl.surgery import find_head


def check_numbers(epochs, learning_rate, strength):
    """Raises `ValueError` for a number that trains nothing."""
    for name, value in {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "strength": strength,
    }.items():
        if value is not None and not 0 < value < math.inf:
            raise ValueError(
                f"`{name}` must be larger than 0, and a number. "
                f"Received: {name}={value}"
            )


def check_strength(strength, recipe):
    """Raises `ValueError` if there is nothing for `strength` to scale."""
    if strength != 1 and not recipe.weighted:
        raise ValueError(
            f"The method '{recipe.name}' adds no loss term whose weight could "
            "be scaled. Leave `strength` (--strength) out, or choose a method "
            f"that does, such as ktft or l2_sp. Received: strength={strength}"
        )


def check_unlabelled(unlabelled, recipe, data):
    """Raises `ValueError` if the method and `unlabelled` do not fit."""
    if recipe.needs_unlabelled and data.unlabelled is None:
        raise ValueError(
            f"The method '{recipe.name}' trains on unlabelled images too, and "
            "there are none. Pass a folder of them, `unlabelled` "
            "(--unlabelled), or fewer `shots` (--shots) than there are images, "
            "which leaves some over. Received: unlabelled=None"
        )
    if unlabelled is not None and not recipe.needs_unlabelled:
        raise ValueError(
            f"The method '{recipe.name}' does not train on unlabelled images. "
            "Leave `unlabelled` (--unlabelled) out, or choose a method that "
            "does, such as akc_arc. "
            f"Received: unlabelled={str(unlabelled)!r}"
        )


def check_head(source, keep_head, recipe, data):
    """Raises `ValueError` if the method, or the data, needs another head."""
    if keep_head and source.output_shape[-1] != data.num_classes:
        raise ValueError(
            "The weights' head cannot be kept: it has "
            f"{source.output_shape[-1]} classes, the data {data.num_classes}. "
            "Pass keep_head=False (--keep-head off) to put a new one on."
        )
    if recipe.needs_source_head and find_head(source).layer is None:
        raise ValueError(
            f"The method '{recipe.name}' reads the classifier that the weights "
            "came with, and these have none. Pass weights with their "
            "classifier (a file with 'notop' in its name has none), or choose "
            f"another method. Received: method={recipe.name!r}"
        )
    if not keep_head and not recipe.trains:
        raise ValueError(
            f"The method '{recipe.name}' trains nothing, so it needs weights "
            "with a head for these classes. Pass the model.keras of a run on "
            "them, or choose a method that trains. "
            f"Received: method={recipe.name!r}"
        )
