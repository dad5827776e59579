"""What can be done to the weights of an int8 file, by name."""

from kerastl.arguments import unknown_name_error

#: Preprocessing that keeps bytes, equal ranges of the channels, calibrated
#: rounding of the kernels, and correction of the biases.
STEPS = ("pixels", "equalisation", "rounding", "bias")
#: Once the others are done, equalisation changes what files of fine-tuned
#: networks answer no more than chance does, so that it is not worth the time.
AUTO = ("pixels", "rounding", "bias")


def chosen_steps(refine):
    """Returns the steps that `refine` asks for, in the order of `STEPS`.

    Args:
        refine: "auto" for `AUTO`, "none", a name of `STEPS`, or several in a
            sequence.

    Raises:
        ValueError: If a name is unknown; it says the nearest.
    """
    if refine == "auto":
        return AUTO
    if refine in ("none", None):
        return ()
    names = (refine,) if isinstance(refine, str) else tuple(refine)
    for name in names:
        if name not in STEPS:
            raise unknown_name_error(
                "refinement", name, ("auto", "none", *STEPS)
            )
    return tuple(step for step in STEPS if step in names)
