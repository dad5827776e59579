"""Gives memory back that was freed."""

import ctypes


def release_memory() -> None:
    """Gives freed memory back to the system, where the C library keeps it.

    A converter frees hundreds of megabytes in small pieces, which glibc keeps
    for the process; the next large arrays then come on top of them.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # no glibc
        return
    trim(0)
