"""Penalties on weights."""

from kerastl.regularizers.estimate_fisher import estimate_fisher
from kerastl.regularizers.l2 import L2
from kerastl.regularizers.l2_sp import L2SP
from kerastl.regularizers.penalty import AnchoredL2
from kerastl.regularizers.penalty import detach

__all__ = [
    "AnchoredL2",
    "L2",
    "L2SP",
    "detach",
    "estimate_fisher",
]
