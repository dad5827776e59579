"""Lets the content choose the filters of an anti-aliased network."""

import math
from typing import Literal

import keras

from kerastl.layers.adaptive_blur_pooling_2d import AdaptiveBlurPooling2D
from kerastl.layers.blur_pooling_2d import BlurPooling2D
from kerastl.surgery.graph import walk
from kerastl.surgery.rebuild import config_of
from kerastl.surgery.rebuild import rebuild


def adapt_blurs(
    model: keras.Model,
    groups: int = 8,
    softmax: Literal["group", "all"] = "group",
    name: str | None = None,
) -> keras.Model:
    """Copies an anti-aliased network with content-adaptive blurs (DDAC).

    Every `BlurPooling2D` becomes an `AdaptiveBlurPooling2D` on the same
    grid, which starts as that blur: with `softmax="group"` the new network
    computes what `model` computes, and learns from there.

    Args:
        model: A network with blurs, such as `kerastl.antialias` makes; nested
            models are rewritten too. In the paper the stem is not blurred
            before its pooling: `kerastl.antialias(stem=False)`.
        groups: Number of groups of channels that share a filter. Where it
            does not divide the channels, their greatest common divisor.
        softmax: As in `kerastl.layers.AdaptiveBlurPooling2D`.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`.

    Raises:
        ValueError: If an argument is out of range, or the model is subclassed
            or has no blur.

    Example:

    >>> student = kerastl.antialias(source, kernel_size=3, stem=False)
    >>> student = kerastl.surgery.adapt_blurs(student, groups=8)

    Reference:

    - Zou et al., "Delving Deeper into Anti-aliasing in ConvNets", BMVC 2020,
      section 3.2 (arXiv 2008.09604).
    """
    # Refuses what is out of range.
    AdaptiveBlurPooling2D(groups=groups, softmax=softmax)
    channels = {}
    for _, node in walk(model):
        blur = node.operation
        if type(blur) is BlurPooling2D and blur.kernel_size != (1, 1):
            axis = -1 if blur.data_format == "channels_last" else 1
            channels[id(blur)] = node.inputs[0].shape[axis]
    if not channels:
        raise ValueError(
            "The model has no blur whose filter could be chosen (one in a "
            "kernel is fixed). Make it anti-aliased first: "
            "`kerastl.antialias(model, kernel_size=3, place='after')`. "
            f"Received: model={model.name!r}"
        )

    def clone(layer):
        if id(layer) not in channels:
            return None
        shared = math.gcd(groups, channels[id(layer)])
        config = {"groups": shared, "softmax": softmax}
        return AdaptiveBlurPooling2D.from_config({**config_of(layer), **config})

    return rebuild(model, clone=clone, name=name)
