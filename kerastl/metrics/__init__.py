"""Measures beside accuracy."""

from kerastl.metrics.compute_channel_attention import compute_channel_attention
from kerastl.metrics.expected_calibration_error import (
    expected_calibration_error,
)
from kerastl.metrics.fit_gaussians import Gaussian
from kerastl.metrics.fit_gaussians import fit_gaussians
from kerastl.metrics.fit_gaussians import mahalanobis_score
from kerastl.metrics.fit_temperature import TemperatureFit
from kerastl.metrics.fit_temperature import fit_temperature
from kerastl.metrics.grad_cam import grad_cam
from kerastl.metrics.shift_consistency import shift_consistency

__all__ = [
    "Gaussian",
    "TemperatureFit",
    "compute_channel_attention",
    "expected_calibration_error",
    "fit_gaussians",
    "fit_temperature",
    "grad_cam",
    "mahalanobis_score",
    "shift_consistency",
]
