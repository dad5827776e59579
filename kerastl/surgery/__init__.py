"""Rewrites of a functional graph that carry the weights over."""

from kerastl.surgery.adapt_blurs import adapt_blurs
from kerastl.surgery.add_block_routing import add_block_routing
from kerastl.surgery.add_gated_filters import add_gated_filters
from kerastl.surgery.add_stochastic_depth import add_stochastic_depth
from kerastl.surgery.add_training_layers import add_curriculum_smoothing
from kerastl.surgery.add_training_layers import add_drop_connect
from kerastl.surgery.add_training_layers import add_stoch_norm
from kerastl.surgery.add_training_layers import fold_training_layers
from kerastl.surgery.adjust_logits import adjust_logits
from kerastl.surgery.adjust_logits import scale_temperature
from kerastl.surgery.antialias import antialias
from kerastl.surgery.antialias import inspect_antialias
from kerastl.surgery.antialias_report import AntialiasReport
from kerastl.surgery.antialias_report import AntialiasRow
from kerastl.surgery.batch_norm import adjust_batch_norm
from kerastl.surgery.batch_norm import reestimate_batch_norm
from kerastl.surgery.batch_norm import set_batch_norm
from kerastl.surgery.cluster_weights import cluster_weights
from kerastl.surgery.convolution_taps import convolution_taps
from kerastl.surgery.count_multiply_adds import count_multiply_adds
from kerastl.surgery.default_taps import default_taps
from kerastl.surgery.feature_extractor import embed
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.surgery.find_head import Head
from kerastl.surgery.find_head import find_head
from kerastl.surgery.fit_head import HeadFit
from kerastl.surgery.fit_head import fit_head
from kerastl.surgery.fold_blurs import fold_blurs
from kerastl.surgery.fold_gates import FoldedGates
from kerastl.surgery.fold_gates import fold_gates
from kerastl.surgery.fresh_weights import fresh_weights
from kerastl.surgery.imprint_head import class_means
from kerastl.surgery.imprint_head import imprint_head
from kerastl.surgery.initialize_head import initialize_head
from kerastl.surgery.layer_groups import layer_groups
from kerastl.surgery.output_kind import output_kind
from kerastl.surgery.prune_channels import mask_channels
from kerastl.surgery.prune_channels import prune_channels
from kerastl.surgery.prune_channels import remove_zero_channels
from kerastl.surgery.prune_weights import prune_weights
from kerastl.surgery.rebuild import copy_model
from kerastl.surgery.rebuild import rebuild
from kerastl.surgery.repeat_calls import open_nested
from kerastl.surgery.repeat_calls import split_at
from kerastl.surgery.replace_head import replace_head
from kerastl.surgery.similarity_matrix import similarity_matrix
from kerastl.surgery.train_head import train_head

__all__ = [
    "AntialiasReport",
    "AntialiasRow",
    "FoldedGates",
    "Head",
    "HeadFit",
    "adapt_blurs",
    "add_block_routing",
    "add_curriculum_smoothing",
    "add_drop_connect",
    "add_gated_filters",
    "add_stoch_norm",
    "add_stochastic_depth",
    "adjust_batch_norm",
    "adjust_logits",
    "antialias",
    "class_means",
    "cluster_weights",
    "convolution_taps",
    "copy_model",
    "count_multiply_adds",
    "default_taps",
    "embed",
    "feature_extractor",
    "find_head",
    "fit_head",
    "fold_blurs",
    "fold_gates",
    "fold_training_layers",
    "fresh_weights",
    "imprint_head",
    "initialize_head",
    "inspect_antialias",
    "layer_groups",
    "mask_channels",
    "open_nested",
    "output_kind",
    "prune_channels",
    "prune_weights",
    "rebuild",
    "reestimate_batch_norm",
    "remove_zero_channels",
    "replace_head",
    "scale_temperature",
    "set_batch_norm",
    "similarity_matrix",
    "split_at",
    "train_head",
]
