"""The mean output of a network for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerastl.data.batches import class_numbers
from kerastl.data.batches import labelled_batches
from kerastl.data.batches import predict_batch
from kerastl.types import Data

if TYPE_CHECKING:
    import keras


def class_means(
    model: keras.Model,
    data: Data,
    num_classes: int | None = None,
    unit: bool = False,
    batch_size: int = 32,
) -> tuple[np.ndarray, np.ndarray]:
    """Averages what `model` says of the images of each class.

    Args:
        model: a `keras.Model` whose output is `(batch, values)`.
        data: labelled images: a tuple `(images, labels)` of arrays, or an
            iterable of such batches. Labels are integers or one-hot.
        num_classes: number of classes. `None` takes those that occur.
        unit: whether the outputs are scaled to unit length first.
        batch_size: batch size for arrays.

    Returns:
        Float64 means `(classes, values)` and the number of images of each
        class.

    Raises:
        ValueError: if a class has no image, or a label is out of range.
    """
    sums, counts = {}, {}
    for images, labels in labelled_batches(data, batch_size):
        labels = class_numbers(labels)
        outputs = np.asarray(predict_batch(model, images), "float64")
        if unit:
            outputs = unit_rows(outputs)
        for label in np.unique(labels).tolist():
            rows = outputs[labels == label]
            sums[label] = sums.get(label, 0.0) + rows.sum(axis=0)
            counts[label] = counts.get(label, 0) + len(rows)
    found = sorted(counts)
    if num_classes is None:
        num_classes = found[-1] + 1 if found else 0
    if found != list(range(num_classes)) or not found:
        raise ValueError(
            "Every class needs at least one image, and labels count from 0. "
            f"Received: num_classes={num_classes}, images by label {counts}"
        )
    sizes = np.array([counts[label] for label in found])
    return np.stack([sums[label] for label in found]) / sizes[:, None], sizes


def unit_rows(rows):
    """Scales every row to unit length; a row of zeros stays."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.maximum(length, np.finfo("float64").tiny)
