"""A new classifier made of the mean features of its classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerastl.data.batches import class_numbers
from kerastl.data.batches import labelled_batches
from kerastl.data.batches import predict_batch
from kerastl.surgery.feature_extractor import embed
from kerastl.surgery.head_weights import head_weights
from kerastl.surgery.head_weights import write_head
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


def imprint_head(
    model: keras.Model,
    data: Data,
    scale: float = 1.0,
    batch_size: int = 32,
    unit_features: bool = True,
) -> float:
    """Starts the classifier of `model` from the mean features of each class.

    The features that the classifier reads are scaled to unit length, averaged
    over the images of a class, and scaled to unit length again: those are the
    weights, in place. The biases become 0. It needs no classifier of the
    source, and is what a start from similar source classes has to beat.

    Args:
        model: the network to train, its classifier in place.
        data: labelled images, without augmentation: a tuple
            `(images, labels)` of arrays, or an iterable of such batches.
        scale: factor of the weights. At 1, as published, the classifier is
            unsure of itself where the features are short.
        batch_size: batch size for arrays.
        unit_features: whether the features of every image are scaled to unit
            length before the mean, as published. The code of "Adaptive
            Consistency Regularization" averages them as they are.

    Returns:
        The mean cosine between the weights of two classes.

    Raises:
        ValueError: if there is no classifier, or a class has no image.

    Example:

    ```python
    student = kerastl.replace_head(source, num_classes=10)
    kerastl.imprint_head(student, train)
    ```

    Reference:
        Qi, Brown and Lowe, "Low-Shot Learning with Imprinted Weights", CVPR
        2018, section 3.2.
    """
    kernel, bias = head_weights(model)
    means, _ = class_means(
        embed(model), data, kernel.shape[1], unit_features, batch_size
    )
    rows = scale * unit_rows(means)
    write_head(model, rows, np.zeros_like(bias))
    return mean_cosine(rows)


def mean_cosine(rows):
    """The mean cosine between any two rows."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.maximum(norms, np.finfo("float32").tiny)
    count = len(rows)
    between = np.sum(unit @ unit.T) - np.sum(unit**2)
    return float(between) / (count * (count - 1))
