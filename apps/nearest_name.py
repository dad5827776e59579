"""The error for a name that is not in a table."""

import difflib


def unknown_name_error(kind, name, known):
    """Makes the error for an unknown name, with the nearest known one.

    Args:
        kind: What the name stands for, such as "preset".
        name: The name that was given.
        known: The names that exist.

    Returns:
        A `ValueError`, to be raised by the caller.
    """
    known = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.4)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return ValueError(
        f"There is no {kind} of that name.{hint} Expected one of "
        f"{', '.join(known)}. Received: {kind}={name!r}"
    )
