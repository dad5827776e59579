"""How BatchNormalization behaves in a fine-tune, and its statistics.

What the layers of a network see, statistics measured anew, and statistics
after a rewrite without the source's data.
"""

from __future__ import annotations

from typing import Literal

import keras
import numpy as np

from kerastl.data.batches import as_inputs
from kerastl.data.batches import labelled_batches
from kerastl.layers.frozen import Frozen
from kerastl.layers.training_layers import StochNorm
from kerastl.surgery.graph import hidden_layers
from kerastl.surgery.layer_paths import layer_paths
from kerastl.surgery.rebuild import copy_model
from kerastl.types import Data

POLICIES = ("train", "freeze", "reestimate")


def set_batch_norm(
    model: keras.Model,
    policy: Literal["train", "freeze", "reestimate"] = "train",
    momentum: float | None = 0.9,
) -> list[keras.layers.BatchNormalization]:
    """Sets how the BatchNormalization layers of `model` behave, in place.

    The networks of `keras.applications` carry a momentum of 0.99 or 0.999:
    their moving statistics need thousands of steps to arrive. In a fine-tune
    of a few hundred steps training looks fine and evaluation, which uses the
    moving statistics, collapses. Measured: MobileNetV2 0.35 on 3,068 photos,
    15 epochs, 50.8 % of the test photos right with momentum 0.999.

    Args:
        model: any built `keras.Model`.
        policy: `"train"` normalizes by the batch in training and moves the
            statistics with `momentum`; right for batches of 16 and more.
            `"freeze"` sets `trainable=False` on the layers: the source's
            statistics, scales and offsets stay as they are, also in training;
            for tiny batches, or data much like the source's. `"reestimate"`
            is `"train"` for the model itself; whoever trains it re-estimates
            the statistics afterwards (`FineTuner.fit` does, see
            `kerastl.reestimate_batch_norm`).
        momentum: momentum of the moving statistics, in [0, 1). `None` keeps
            each layer's own.

    Returns:
        The list of BatchNormalization layers found.

    Raises:
        ValueError: if the policy or the momentum is not one of these.

    Example:

    >>> kerastl.surgery.set_batch_norm(model, "freeze")
    """
    if policy not in POLICIES:
        raise ValueError(
            f"`batch_norm` must be one of {POLICIES}. "
            f"Received: batch_norm={policy!r}"
        )
    if momentum is not None and not 0 <= momentum < 1:
        raise ValueError(
            "`momentum` must be at least 0 and below 1, or `None` to keep "
            f"each layer's own. Received: momentum={momentum!r}"
        )
    layers = batch_normalizations(model)
    for layer in layers:
        if policy == "freeze":
            layer.trainable = False
        elif momentum is not None:
            layer.momentum = momentum
    return layers


def batch_normalizations(model) -> list:
    """All BatchNormalization layers in `model`, however deep.

    But those in a `kerastl.layers.Frozen`, which stay as they are.
    """
    layers = hidden_layers(model)
    frozen = {
        id(inner)
        for layer in layers
        if isinstance(layer, Frozen)
        for inner in hidden_layers(layer)
    }
    return [
        layer
        for layer in layers
        if isinstance(layer, keras.layers.BatchNormalization)
        and id(layer) not in frozen
    ]


def _batch_statistics(model, data, steps=None, batch_size=32) -> list:
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
        probe(as_inputs(probe, images), training=False)
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
    measured = _batch_statistics(model, data, steps, batch_size)
    for (mean, variance), layer in zip(measured, layers, strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
    return model


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
    measured = _batch_statistics(model, data, steps, batch_size)
    return {
        paths[id(layer)]: (layer, mean, variance)
        for layer, (mean, variance) in zip(layers, measured, strict=True)
    }
