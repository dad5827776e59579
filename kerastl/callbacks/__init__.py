"""What acts between batches or epochs."""

from kerastl.callbacks.curriculum_smoothing import CurriculumSmoothing
from kerastl.callbacks.filtered_transfer import FilteredTransfer
from kerastl.callbacks.kakurenbo import KAKURENBO
from kerastl.callbacks.lure import LURE
from kerastl.callbacks.magnitude_pruning import KeepZeros
from kerastl.callbacks.magnitude_pruning import MagnitudePruning
from kerastl.callbacks.pseudo_label_history import PseudoLabelHistory
from kerastl.callbacks.rifle import RIFLE
from kerastl.callbacks.stop_on_divergence import StopOnDivergence
from kerastl.callbacks.weight_clustering import KeepClusters
from kerastl.callbacks.weight_clustering import WeightClustering

__all__ = [
    "CurriculumSmoothing",
    "FilteredTransfer",
    "KAKURENBO",
    "KeepClusters",
    "KeepZeros",
    "LURE",
    "MagnitudePruning",
    "PseudoLabelHistory",
    "RIFLE",
    "StopOnDivergence",
    "WeightClustering",
]
