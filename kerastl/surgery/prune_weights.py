"""Pruning in one shot, and which weights are kept, by their magnitude."""

from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np

from kerastl.schedules.sparsity_schedules import checked_sparsity
from kerastl.surgery.find_kernels import find_kernels
from kerastl.surgery.plain_weights import with_plain_weights
from kerastl.surgery.rebuild import copy_model

SCOPES = ("layer", "global")


def prune_weights(
    model: keras.Model,
    sparsity: float = 0.5,
    scope: Literal["layer", "global"] = "layer",
    pattern: tuple[int, int] | None = None,
    layers: Sequence[str] | None = None,
    depthwise: bool = False,
    name: str | None = None,
) -> keras.Model:
    """Copies a network with its smallest weights set to zero.

    Nothing is trained: for more than a light pruning, let
    `kerastl.callbacks.MagnitudePruning` prune while the network learns to do
    without. Zeros make a file smaller when it is zipped; it is as large as
    before on the device, and as fast, unless a runtime has sparse kernels.

    Args:
        model: A functional or built sequential `keras.Model`.
        sparsity: Fraction of the weights to prune, at least 0 and below 1.
        scope: `"layer"` prunes that fraction of every kernel, `"global"` the
            smallest weights of all kernels.
        pattern: `(n, m)` keeps the `n` largest of every `m` neighbours along
            the input channels instead.
        layers: Names of the layers to prune, at any depth. `None` takes every
            convolution and dense layer.
        depthwise: Whether depthwise kernels are pruned too.
        name: Name of the new model. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model` that shares nothing with `model`.

    Raises:
        ValueError: If an argument is out of its range, or there is no such
            layer.

    Example:

    >>> pruned = kerastl.surgery.prune_weights(model, sparsity=0.5)
    >>> pruned = kerastl.surgery.prune_weights(model, pattern=(2, 4))
    """
    sparsity = checked_sparsity("sparsity", sparsity)
    find_kernels(model, layers, depthwise)  # refuses what is not there
    pruned = copy_model(with_plain_weights(model), name=name)
    kernels = find_kernels(pruned, layers, depthwise)
    masks = magnitude_masks(
        [kernel.numpy() for kernel in kernels],
        sparsity,
        scope,
        pattern,
        [kernel.input_axis for kernel in kernels],
    )
    for kernel, mask in zip(kernels, masks, strict=True):
        kernel.variable.assign(kernel.numpy() * mask)
    return pruned


def magnitude_masks(
    weights, sparsity, scope="layer", pattern=None, input_axes=None
) -> list:
    """Chooses the weights with the largest magnitudes.

    Args:
        weights: list of arrays, one a kernel.
        sparsity: fraction of the weights to prune, at least 0 and below 1.
        scope: `"layer"` prunes that fraction of every kernel; `"global"`
            ranks all weights together, so that kernels with small weights
            lose more. Every kernel keeps a weight.
        pattern: `(n, m)` keeps the `n` largest of every `m` neighbours along
            the input channels, as sparse kernels of hardware want it, and
            `sparsity` is not looked at. A kernel without input channels is
            kept whole.
        input_axes: axis of the input channels of each kernel, or `None`.

    Returns:
        List of boolean arrays, `True` where a weight is kept.

    Raises:
        ValueError: if an argument is out of its range.
    """
    if pattern is not None:
        check_pattern(pattern)
        axes = input_axes or [None] * len(weights)
        return [
            _pattern_mask(w, axis, *pattern)
            for w, axis in zip(weights, axes, strict=True)
        ]
    if scope not in SCOPES:
        raise ValueError(
            f"`scope` must be one of {SCOPES}. Received: scope={scope!r}"
        )
    if scope == "layer":
        return [_largest(np.abs(w), sparsity) for w in weights]
    sizes = [w.size for w in weights]
    together = _largest(
        np.concatenate([np.abs(w).ravel() for w in weights]), sparsity
    )
    masks = np.split(together, np.cumsum(sizes)[:-1])
    for mask, w in zip(masks, weights, strict=True):
        mask[np.argmax(np.abs(w))] = True
    return [m.reshape(w.shape) for m, w in zip(masks, weights, strict=True)]


def check_pattern(pattern):
    """Refuses what is no pattern of `n` of `m` weights."""
    n, m = pattern
    if not 0 < n < m:
        raise ValueError(
            "`pattern` is (n, m): n of every m weights are kept, 0 < n < m. "
            f"Received: pattern={pattern!r}"
        )


def _largest(magnitudes, sparsity):
    keep = max(int(np.rint(magnitudes.size * (1 - sparsity))), 1)
    mask = np.zeros(magnitudes.size, bool)
    # Stable, so that ties fall alike in a training that is resumed.
    mask[np.argsort(-magnitudes, axis=None, kind="stable")[:keep]] = True
    return mask.reshape(magnitudes.shape)


def _pattern_mask(weights, axis, n, m):
    if axis is None:
        return np.ones(weights.shape, bool)
    moved = np.moveaxis(np.abs(weights), axis, -1)
    channels = moved.shape[-1]
    # What fills up the last block is smaller than every weight.
    padding = [(0, 0)] * (moved.ndim - 1) + [(0, -channels % m)]
    blocks = np.pad(moved, padding, constant_values=-1.0).reshape(-1, m)
    order = np.argsort(-blocks, axis=1, kind="stable")
    mask = np.zeros(blocks.shape, bool)
    np.put_along_axis(mask, order[:, :n], True, axis=1)
    mask = mask.reshape(*moved.shape[:-1], -1)[..., :channels]
    return np.moveaxis(mask, -1, axis)
