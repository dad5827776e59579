"""Optimizers that treat the layers of a network differently."""

from kerastl.optimizers.gate_optimizer import gate_optimizer
from kerastl.optimizers.layer_decay_optimizer import layer_decay_optimizer
from kerastl.optimizers.staged_unfreezing_optimizer import (
    staged_unfreezing_optimizer,
)

__all__ = [
    "gate_optimizer",
    "layer_decay_optimizer",
    "staged_unfreezing_optimizer",
]
