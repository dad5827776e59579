"""BatchNormalization statistics measured anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerastl.surgery.batch_statistics import batch_statistics
from kerastl.surgery.set_batch_norm import batch_normalizations
from kerastl.types import Data

if TYPE_CHECKING:
    import keras


def reestimate_batch_norm(
    model: keras.Model,
    data: Data,
    steps: int | None = None,
    batch_size: int = 32,
) -> keras.Model:
    """Measures the BatchNormalization statistics of `model` anew, in place.

    Runs `data` through a copy of the model in which only BatchNormalization
    is in training mode (dropout and augmentation layers are off), and writes
    the exact mean and variance of what each layer sees to its moving
    statistics. No gradient, no weight changes. After a blur is inserted, the
    variance of the activations falls and the carried statistics are wrong:
    this is the cheapest repair, and the baseline for dearer ones.

    The mean is the average of the batch means, the variance the average of
    the variances within the batches plus the variance of the batch means,
    both weighted by batch size and summed in float64.

    Args:
        model: a functional or sequential `keras.Model`.
        data: images as an array, a tuple `(images, labels)` of arrays, or a
            `tf.data.Dataset` or other iterable of batches (images alone, or
            tuples that start with images). Use training images, without
            augmentation where possible.
        steps: number of batches to use; `None` uses all.
        batch_size: batch size for arrays.

    Returns:
        `model`, for chaining.

    Raises:
        ValueError: if `data` holds no batch, or not an image a batch.

    Example:

    ```python
    student = kerastl.antialias(source)
    kerastl.reestimate_batch_norm(student, train)
    ```
    """
    layers = batch_normalizations(model)
    measured = batch_statistics(model, data, steps, batch_size)
    for (mean, variance), layer in zip(measured, layers, strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
    return model
