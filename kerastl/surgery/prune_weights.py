"""Pruning in one shot."""

from collections.abc import Sequence
from typing import Literal

import keras

from kerastl.schedules.sparsity_schedules import checked_sparsity
from kerastl.surgery.copy_model import copy_model
from kerastl.surgery.find_kernels import find_kernels
from kerastl.surgery.magnitude_masks import magnitude_masks
from kerastl.surgery.plain_weights import with_plain_weights


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
