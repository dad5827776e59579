"""Rewrites of a functional graph that carry the weights over."""

from kerastl.surgery.copy_model import copy_model
from kerastl.surgery.rebuild import rebuild

__all__ = [
    "copy_model",
    "rebuild",
]
