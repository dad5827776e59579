"""Measures beside accuracy."""

from kerastl.metrics.shift_consistency import shift_consistency

__all__ = [
    "shift_consistency",
]
