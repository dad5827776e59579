"""What acts between batches or epochs."""

from kerastl.callbacks.curriculum_smoothing import CurriculumSmoothing
from kerastl.callbacks.filtered_transfer import FilteredTransfer
from kerastl.callbacks.kakurenbo import KAKURENBO
from kerastl.callbacks.lure import LURE
from kerastl.callbacks.rifle import RIFLE
from kerastl.callbacks.stop_on_nan import StopOnNaN

__all__ = [
    "CurriculumSmoothing",
    "FilteredTransfer",
    "KAKURENBO",
    "LURE",
    "RIFLE",
    "StopOnNaN",
]
