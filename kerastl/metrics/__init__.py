"""Measures beside accuracy."""

from kerastl.metrics.compute_channel_attention import compute_channel_attention
from kerastl.metrics.shift_consistency import shift_consistency

__all__ = [
    "compute_channel_attention",
    "shift_consistency",
]
