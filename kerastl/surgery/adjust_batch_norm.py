"""BatchNormalization statistics after a rewrite, without the source's data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerastl.surgery.batch_statistics import batch_statistics
from kerastl.surgery.layer_paths import layer_paths
from kerastl.surgery.set_batch_norm import batch_normalizations
from kerastl.types import Data

if TYPE_CHECKING:
    import keras


def adjust_batch_norm(
    model: keras.Model,
    source: keras.Model,
    data: Data,
    steps: int | None = None,
    batch_size: int = 32,
) -> keras.Model:
    """Carries what a rewrite does to the activations into BatchNormalization.

    A blur lowers the variance of what later layers see, and the statistics
    that came with the weights are wrong then. A hundred photos of the new task
    are too few, and too unlike the source's, to measure them anew. They do tell
    how the rewrite changes them: the same photos go through both networks, and
    the statistics that came with the weights move by the difference of the
    means and the ratio of the variances. A network that computes what its
    source does keeps its statistics.

    Args:
        model: The rewritten network, whose statistics are still those of
            `source`; changed in place.
        source: The network that it was made from.
        data: Images, as in `kerastl.reestimate_batch_norm`.
        steps: Number of batches to use; `None` uses all.
        batch_size: Batch size for arrays.

    Returns:
        `model`, for chaining.

    Raises:
        ValueError: If `data` holds no batch.

    Example:

    ```python
    student = kerastl.antialias(source)
    kerastl.surgery.adjust_batch_norm(student, source, images)
    ```
    """
    before = _by_path(source, data, steps, batch_size)
    after = _by_path(model, data, steps, batch_size)
    for path, (layer, mean, variance) in after.items():
        if path not in before:
            continue
        _, source_mean, source_variance = before[path]
        layer.moving_mean.assign(layer.moving_mean + (mean - source_mean))
        # A channel that is the same for all images says nothing of scales.
        told = (source_variance > 0) & (variance > 0)
        ratio = np.divide(
            variance, source_variance, out=np.ones_like(variance), where=told
        )
        layer.moving_variance.assign(layer.moving_variance * ratio)
    return model


def _by_path(model, data, steps, batch_size):
    paths = layer_paths(model)
    layers = batch_normalizations(model)
    measured = batch_statistics(model, data, steps, batch_size)
    return {
        paths[id(layer)]: (layer, mean, variance)
        for layer, (mean, variance) in zip(layers, measured, strict=True)
    }
