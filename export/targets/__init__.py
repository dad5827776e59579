"""What a device needs of a file, and whether the file has it."""

from kerastl.export.targets.check import check

__all__ = [
    "check",
]
