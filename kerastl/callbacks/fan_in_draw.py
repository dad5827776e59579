"""Weights that are drawn anew as the authors of RIFLE and LURE draw them."""

import math

import keras
import numpy as np

from kerastl.surgery.fresh_weights import fresh_weights


def fan_in_draw(layer, seed) -> list:
    """Draws weights and biases evenly up to `1 / sqrt(inputs)`.

    That is PyTorch's initialization of layers with a kernel, where `inputs` is
    how many numbers one output is made of. Other weights, such as those of
    BatchNormalization, come from their own initializers. The layer keeps its
    weights.

    Args:
        layer: A built `keras.layers.Layer`.
        seed: Non-negative integer, or a list of such; the same one gives the
            same draw.

    Returns:
        Arrays in the order of `layer.weights`.
    """
    generator = np.random.default_rng(seed)
    drawn = fresh_weights(layer, seed)
    bound = None
    for place, variable in enumerate(layer.weights):
        if variable.name.endswith("kernel"):
            bound = 1 / math.sqrt(_inputs(layer, variable))
        elif variable.name != "bias" or bound is None:
            continue
        drawn[place] = generator.uniform(-bound, bound, variable.shape)
    return drawn


def _inputs(layer, kernel):
    depthwise = kernel.name == "depthwise_kernel" or isinstance(
        layer, keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D
    )
    return math.prod(kernel.shape[: -2 if depthwise else -1])
