"""What the BatchNormalization layers of a network see."""

import keras
import numpy as np

from kerastl.data.batches import labelled_batches
from kerastl.layers.training_layers import StochNorm
from kerastl.surgery.copy_model import copy_model
from kerastl.surgery.set_batch_norm import batch_normalizations


def batch_statistics(model, data, steps=None, batch_size=32) -> list:
    """Measures the mean and variance of what each BatchNormalization reads.

    Every layer in front of it normalizes by the batch, as in training;
    dropout and augmentation layers are off. The model stays as it is.

    Args:
        model: As in `kerastl.reestimate_batch_norm`, like the rest.
        data: The images.
        steps: Number of batches to use; `None` uses all.
        batch_size: Batch size for arrays.

    Returns:
        A pair `(mean, variance)` of float64 arrays for each layer of
        `batch_normalizations(model)`.

    Raises:
        ValueError: If `data` holds no batch.
    """
    if not batch_normalizations(model):
        return []
    probe = copy_model(model)
    probes = batch_normalizations(probe)
    for layer in probes:
        layer.momentum = 0.0
        if isinstance(layer, StochNorm):
            # What it mixes in is what is measured anew.
            layer.p = 1.0
        layer.call = _in_training(layer.call)

    count = 0
    sums = [_Moments() for _ in probes]
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
            f"Received: data of type {type(data).__name__}, steps={steps}"
        )
    return [moments.result(count) for moments in sums]


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
