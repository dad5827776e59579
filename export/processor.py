"""The processor that figures were measured on."""

import pathlib
import platform

# As Linux names them: x86-64 first, then 64-bit Arm.
_INTEGER_DOT_PRODUCTS = (
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
    "asimddp",
    "i8mm",
)
_INFORMATION = pathlib.Path("/proc/cpuinfo")


def processor_name():
    """Returns the name of the processor, as far as the system tells it."""
    for key, value in _lines():
        if key == "model name":
            return value
    return platform.processor() or platform.machine()


def integer_dot_products():
    """Returns the instructions for 8-bit dot products that are there.

    They multiply four bytes at once, which is what makes int8 faster than
    float. `None` where the system does not tell.
    """
    for key, value in _lines():
        if key in ("flags", "Features"):
            flags = value.split()
            return [name for name in _INTEGER_DOT_PRODUCTS if name in flags]
    return None


def _lines():
    if not _INFORMATION.is_file():
        return
    for line in _INFORMATION.read_text().splitlines():
        key, _, value = line.partition(":")
        yield key.strip(), value.strip()
