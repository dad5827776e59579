"""BatchNormalization statistics measured anew."""

import keras
import numpy as np

from kerastl.layers.stoch_norm import StochNorm
from kerastl.surgery.copy_model import copy_model
from kerastl.surgery.set_batch_norm import batch_normalizations
from kerastl.training.labelled_batches import labelled_batches


def reestimate_batch_norm(model, data, steps=None, batch_size=32):
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
    if not layers:
        return model
    probe = copy_model(model)
    probes = batch_normalizations(probe)
    for layer in probes:
        layer.momentum = 0.0
        if isinstance(layer, StochNorm):
            # What it mixes in is what is measured anew.
            layer.p = 1.0
        layer.call = _in_training(layer.call)

    count = 0
    sums = [_Moments() for _ in layers]
    batches = labelled_batches(data, batch_size, needs_labels=False)
    for step, (images, _) in enumerate(batches):
        if steps is not None and step >= steps:
            break
        probe(images, training=False)
        size = len(images)
        count += size
        for moments, layer in zip(sums, probes, strict=True):
            moments.add(layer, size)
    if count == 0:
        raise ValueError(
            "The statistics cannot be re-estimated because the data has no "
            "batch. A generator that has been read once is empty: pass the "
            "arrays or a `tf.data.Dataset`. "
            f"Received: data={data!r}, steps={steps}"
        )
    for moments, layer in zip(sums, layers, strict=True):
        mean, variance = moments.result(count)
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
    return model


class _Moments:
    """Weighted sums of the batch means, their squares and the variances."""

    def __init__(self):
        self.mean = self.square = self.variance = 0.0

    def add(self, layer, size):
        mean = _float64(layer.moving_mean)
        self.mean = self.mean + size * mean
        self.square = self.square + size * mean**2
        self.variance = self.variance + size * _float64(layer.moving_variance)

    def result(self, count):
        mean = self.mean / count
        between = np.maximum(self.square / count - mean**2, 0.0)
        return mean, self.variance / count + between


def _float64(variable):
    return keras.ops.convert_to_numpy(variable.value).astype("float64")


def _in_training(call):
    # With momentum 0 the moving statistics become those of the batch.
    def call_in_training(inputs, training=None, mask=None):
        return call(inputs, training=True, mask=mask)

    return call_in_training
