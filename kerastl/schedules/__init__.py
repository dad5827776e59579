"""Learning-rate schedules."""

from kerastl.schedules.cyclic_cosine import CyclicCosine
from kerastl.schedules.scaled_schedule import ScaledSchedule
from kerastl.schedules.slow_start_fast_decay import SlowStartFastDecay

__all__ = [
    "CyclicCosine",
    "ScaledSchedule",
    "SlowStartFastDecay",
]
