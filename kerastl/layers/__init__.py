"""Layers that are put inside the network."""

from kerastl.layers.adaptive_blur_pooling_2d import AdaptiveBlurPooling2D
from kerastl.layers.blur_pooling_2d import BlurPooling2D
from kerastl.layers.blurred_convolutions import BlurredConv2D
from kerastl.layers.blurred_convolutions import BlurredDepthwiseConv2D
from kerastl.layers.blurred_convolutions import BlurredSeparableConv2D
from kerastl.layers.frozen import Frozen
from kerastl.layers.gates import BinaryGates
from kerastl.layers.gates import MixByGates
from kerastl.layers.gates import RecurrentGate
from kerastl.layers.gaussian_smoothing_2d import GaussianSmoothing2D
from kerastl.layers.training_layers import DropConnectDense
from kerastl.layers.training_layers import StochasticDepth
from kerastl.layers.training_layers import StochNorm

__all__ = [
    "AdaptiveBlurPooling2D",
    "BinaryGates",
    "BlurPooling2D",
    "BlurredConv2D",
    "BlurredDepthwiseConv2D",
    "BlurredSeparableConv2D",
    "DropConnectDense",
    "Frozen",
    "GaussianSmoothing2D",
    "MixByGates",
    "RecurrentGate",
    "StochNorm",
    "StochasticDepth",
]
