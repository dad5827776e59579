"""Optimizers that treat the layers of a network differently."""

from kerastl.optimizers.gate_optimizer import gate_optimizer
from kerastl.optimizers.head_optimizer import head_optimizer
from kerastl.optimizers.stage_optimizers import layer_decay_optimizer
from kerastl.optimizers.stage_optimizers import staged_unfreezing_optimizer

__all__ = [
    "gate_optimizer",
    "head_optimizer",
    "layer_decay_optimizer",
    "staged_unfreezing_optimizer",
]
