"""Layers that are put inside the network."""

from kerastl.layers.adaptive_blur_pooling_2d import AdaptiveBlurPooling2D
from kerastl.layers.binary_gates import BinaryGates
from kerastl.layers.blur_pooling_2d import BlurPooling2D
from kerastl.layers.blurred_conv_2d import BlurredConv2D
from kerastl.layers.blurred_depthwise_conv_2d import BlurredDepthwiseConv2D
from kerastl.layers.blurred_separable_conv_2d import BlurredSeparableConv2D
from kerastl.layers.drop_connect_dense import DropConnectDense
from kerastl.layers.frozen import Frozen
from kerastl.layers.gaussian_smoothing_2d import GaussianSmoothing2D
from kerastl.layers.mix_by_gates import MixByGates
from kerastl.layers.recurrent_gate import RecurrentGate
from kerastl.layers.stoch_norm import StochNorm
from kerastl.layers.stochastic_depth import StochasticDepth

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
