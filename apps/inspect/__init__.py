"""Looks at photos before any training."""

from kerastl.takes_keras import TAKES_KERAS

if TAKES_KERAS:
    from kerastl.apps.inspect.inspect_photos import inspect_photos

__all__ = [
    "inspect_photos",
]
