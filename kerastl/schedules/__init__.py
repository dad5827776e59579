"""Schedules of learning rates, and of the sparsity of pruning."""

from kerastl.schedules.cyclic_cosine import CyclicCosine
from kerastl.schedules.scaled_schedule import ScaledSchedule
from kerastl.schedules.slow_start_fast_decay import SlowStartFastDecay
from kerastl.schedules.sparsity_schedules import ConstantSparsity
from kerastl.schedules.sparsity_schedules import PolynomialSparsity

__all__ = [
    "ConstantSparsity",
    "CyclicCosine",
    "PolynomialSparsity",
    "ScaledSchedule",
    "SlowStartFastDecay",
]
