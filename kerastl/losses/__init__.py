"""Terms that compare student and source features."""

from kerastl.losses.adversarial import Adversarial
from kerastl.losses.akc import AKC
from kerastl.losses.arc import ARC
from kerastl.losses.bi_tuning import BiTuning
from kerastl.losses.bss import BSS
from kerastl.losses.co_tuning import CoTuning
from kerastl.losses.consistency import ShiftConsistency
from kerastl.losses.delta import DELTA
from kerastl.losses.disturb_label import DisturbLabel
from kerastl.losses.feature_distance import PixelLevel
from kerastl.losses.global_level import GlobalLevel
from kerastl.losses.image_views import StrongView
from kerastl.losses.lwf import LogitsDistillation
from kerastl.losses.lwf import LwF
from kerastl.losses.mahalanobis import Mahalanobis
from kerastl.losses.pseudo_labels import PseudoLabels
from kerastl.losses.sample_statistics import SampleStatistics
from kerastl.losses.tcr import TCR
from kerastl.losses.teacher_distillation import TeacherDistillation
from kerastl.surgery.source_relation import class_relation
from kerastl.training.transfer_loss import TransferLoss
from kerastl.training.transfer_loss import TransferStep

__all__ = [
    "AKC",
    "ARC",
    "Adversarial",
    "BSS",
    "BiTuning",
    "CoTuning",
    "DELTA",
    "DisturbLabel",
    "GlobalLevel",
    "LogitsDistillation",
    "LwF",
    "Mahalanobis",
    "PixelLevel",
    "PseudoLabels",
    "SampleStatistics",
    "ShiftConsistency",
    "StrongView",
    "TCR",
    "TeacherDistillation",
    "TransferLoss",
    "TransferStep",
    "class_relation",
]
