"""Layers that are put inside the network."""

from kerastl.layers.blur_pooling_2d import BlurPooling2D

__all__ = [
    "BlurPooling2D",
]
