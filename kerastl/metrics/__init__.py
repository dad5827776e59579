"""Measures beside accuracy."""

from kerastl.metrics.compute_channel_attention import compute_channel_attention
from kerastl.metrics.fit_gaussians import Gaussian
from kerastl.metrics.fit_gaussians import fit_gaussians
from kerastl.metrics.grad_cam import grad_cam
from kerastl.metrics.mahalanobis_score import mahalanobis_score
from kerastl.metrics.shift_consistency import shift_consistency

__all__ = [
    "Gaussian",
    "compute_channel_attention",
    "fit_gaussians",
    "grad_cam",
    "mahalanobis_score",
    "shift_consistency",
]
