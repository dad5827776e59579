"""Terms that compare student and source features."""

from kerastl.losses.global_level import GlobalLevel
from kerastl.losses.pixel_level import PixelLevel
from kerastl.losses.transfer_loss import TransferLoss
from kerastl.losses.transfer_loss import TransferStep

__all__ = [
    "GlobalLevel",
    "PixelLevel",
    "TransferLoss",
    "TransferStep",
]
