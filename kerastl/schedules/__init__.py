"""Schedules of learning rates, and of the sparsity of pruning."""

from kerastl.schedules.constant_sparsity import ConstantSparsity
from kerastl.schedules.cyclic_cosine import CyclicCosine
from kerastl.schedules.polynomial_sparsity import PolynomialSparsity
from kerastl.schedules.scaled_schedule import ScaledSchedule
from kerastl.schedules.slow_start_fast_decay import SlowStartFastDecay

__all__ = [
    "ConstantSparsity",
    "CyclicCosine",
    "PolynomialSparsity",
    "ScaledSchedule",
    "SlowStartFastDecay",
]
