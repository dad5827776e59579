"""What acts between batches or epochs."""

from kerastl.callbacks.stop_on_nan import StopOnNaN

__all__ = [
    "StopOnNaN",
]
