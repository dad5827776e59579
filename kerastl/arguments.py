"""Checks of arguments that several places share."""

import difflib
import math


def checked_weight(name, value) -> float:
    """`value` as a float, which must be finite and at least 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(
            f"`{name}` must be a finite number of at least 0. "
            f"Received: {name}={value!r}"
        )
    return number


def nearest_hint(name, known) -> str:
    """ " Did you mean 'x'?" with the nearest known name, or nothing."""
    near = difflib.get_close_matches(
        str(name).lower(), list(known), n=1, cutoff=0.4
    )
    return f" Did you mean {near[0]!r}?" if near else ""


def unknown_name_error(kind, name, known) -> ValueError:
    """The error for a name that is not in a table, with the nearest that is.

    Args:
        kind: what the name stands for, such as `"preset"`.
        name: the name that was given.
        known: the names that exist.
    """
    known = sorted(known)
    return ValueError(
        f"There is no {kind} of that name.{nearest_hint(name, known)} "
        f"Expected one of {', '.join(known)}. Received: {kind}={name!r}"
    )


def checked_probability(name, value, most=1.0) -> float:
    """`value` as a float, which must be between 0 and `most`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= most:
        raise ValueError(
            f"`{name}` must be between 0 and {most:g}. "
            f"Received: {name}={value!r}"
        )
    return number
