"""A new classifier made of the mean features of its classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerastl.surgery.class_means import class_means
from kerastl.surgery.class_means import unit_rows
from kerastl.surgery.embed import embed
from kerastl.surgery.head_weights import head_weights
from kerastl.surgery.head_weights import write_head
from kerastl.surgery.initialize_head import mean_cosine
from kerastl.types import Data

if TYPE_CHECKING:
    import keras


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
