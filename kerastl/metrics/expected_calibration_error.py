"""How far a network's confidence is from how often it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerastl.arguments import checked_count
from kerastl.data.batches import class_numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_NEAR = 1e-3


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 15
) -> float:
    """Mean distance of confidence and accuracy, over bins of confidence.

        ECE = sum_b n_b / n * |accuracy(b) - confidence(b)|

    The confidence of an image is the probability of the class that it is
    taken for; the bins are of one width, `((b - 1) / bins, b / bins]`. A
    network of which 90 of 100 images are right that it is 90 % sure of has 0.
    With few images in a bin chance alone makes it larger than 0.

    Args:
        probabilities: array `(count, classes)` whose rows sum to 1, or
            `(count, 1)` with the probability of the second of two classes.
        labels: integers `(count,)`, or one-hot.
        bins: how many bins.

    Returns:
        The error as a float, 0 to 1: 0.05 are five points.

    Raises:
        ValueError: if there are no images, the rows are no probabilities, or
            the labels do not fit.

    Example:

    >>> confident = np.array([[0.8, 0.2], [0.2, 0.8]])
    >>> error = kerastl.metrics.expected_calibration_error(confident, [0, 1])
    >>> round(error, 3)
    0.2

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
        section 2, eq. (3).
    """
    bins = checked_count("bins", bins)
    probabilities = _checked(probabilities)
    labels = class_numbers(labels)
    classes = probabilities.shape[1]
    if (
        labels.shape != (len(probabilities),)
        or not ((labels >= 0) & (labels < classes)).all()
    ):
        raise ValueError(
            f"`labels` must be one class of {classes} an image. Received: "
            f"labels of shape {labels.shape} for {len(probabilities)} images"
        )
    confidence = probabilities.max(axis=-1)
    right = probabilities.argmax(axis=-1) == labels
    numbers = np.ceil(confidence * bins).astype(int).clip(1, bins) - 1
    gaps = np.bincount(numbers, right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def _checked(probabilities):
    values = np.asarray(probabilities, "float64")
    if values.ndim == 2 and values.shape[1] == 1:
        values = np.concatenate([1 - values, values], axis=-1)
    if (
        values.ndim != 2
        or not len(values)
        or not np.isfinite(values).all()
        or (values < -_NEAR).any()
        or (np.abs(values.sum(axis=-1) - 1) > _NEAR).any()
    ):
        raise ValueError(
            "`probabilities` must be an array of shape (count, classes) with "
            "at least one row, of numbers from 0 to 1 that sum to 1 a row. Of "
            "logits, take the softmax first. Received: shape="
            f"{np.shape(probabilities)}"
        )
    return values
