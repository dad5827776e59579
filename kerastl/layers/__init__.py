"""Layers that are put inside the network."""

from kerastl.layers.adaptive_blur_pooling_2d import AdaptiveBlurPooling2D
from kerastl.layers.blur_pooling_2d import BlurPooling2D
from kerastl.layers.drop_connect_dense import DropConnectDense
from kerastl.layers.gaussian_smoothing_2d import GaussianSmoothing2D
from kerastl.layers.stoch_norm import StochNorm
from kerastl.layers.stochastic_depth import StochasticDepth

__all__ = [
    "AdaptiveBlurPooling2D",
    "BlurPooling2D",
    "DropConnectDense",
    "GaussianSmoothing2D",
    "StochNorm",
    "StochasticDepth",
]
