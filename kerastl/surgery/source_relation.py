from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Literal

import numpy as np
from keras import ops

from kerastl.arguments import checked_text
from kerastl.arguments import unknown_name_error
from kerastl.data.batches import as_inputs
from kerastl.data.batches import class_numbers
from kerastl.data.batches import labelled_batches
from kerastl.logistic_fit import early_ends
from kerastl.surgery.feature_extractor import embed
from kerastl.surgery.head_weights import head_weights
from kerastl.types import Data

if TYPE_CHECKING:
    import keras

_KINDS = ("direct", "learned")
# Inverse strengths of the penalty that are tried, as in the authors' code.
_STRENGTHS = (
    *(1e4, 3e3, 1e3, 3e2, 1e2, 3e1, 1e1, 3.0, 1.0),
    *(3e-1, 1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4),
)


def class_relation(
    source: keras.Model,
    data: Data,
    kind: Literal["direct", "learned"] = "direct",
    validation: Data | None = None,
    num_classes: int | None = None,
    calibration: float = 1.0,
    batch_size: int = 32,
) -> np.ndarray:
    """How the classes of a source relate to those of a new task.

    Row `t` is `p(source class | target class t)`. The direct relation is the
    mean of the source's probabilities over the images of the class. The
    learned one goes the other way round: a logistic regression, without
    intercept, from the source's probabilities to the labels, at the temperature
    that suits held-out images, gives `p(t | s)`; Bayes' rule turns it with
    the mean of the source's probabilities over all images. Of 17 strengths of
    its penalty, from weak to strong, the first of those with the best accuracy
    on the held-out images is taken, as in the authors' code.

    Args:
        source: The source with its classifier.
        data: Labelled images of the new task, without augmentation: a tuple
            `(images, labels)`, or a dataset of such batches.
        kind: `"direct"` or `"learned"`.
        validation: The held-out images that `"learned"` needs.
        num_classes: Target classes. Defaults to the largest label and one.
        calibration: Factor of the source's logits. The authors take 0.884
            for their ResNet-50 in the learned relation.
        batch_size: Batch size for arrays.

    Returns:
        float32 array `(target classes, source classes)`; rows sum to 1.

    Raises:
        ImportError: If the learned relation lacks scikit-learn.
        ValueError: If the source has no classifier, `kind` is unknown, there
            are no held-out images or such of other classes, or a class has no
            images.

    Example:

    ```python
    relation = kerastl.losses.class_relation(source, (images, labels))
    relation.sum(axis=1)  # all 1
    ```

    Reference:
        You et al., "Co-Tuning for Transfer Learning", NeurIPS 2020,
        section 3.2.
    """
    if checked_text("kind", kind) not in _KINDS:
        raise unknown_name_error("kind", kind, _KINDS)
    if kind == "learned" and validation is None:
        raise ValueError(
            "The learned relation is tuned on held-out images. Pass "
            "`validation=...`, or take `kind='direct'`. "
            "Received: validation=None"
        )
    read = _reader(source, calibration, batch_size)
    probabilities, labels = read(data)
    num_classes = num_classes or int(labels.max()) + 1
    counts = np.bincount(labels, minlength=num_classes)
    if len(counts) > num_classes or not counts.all():
        raise ValueError(
            f"Every one of the {num_classes} classes needs images, and there "
            f"must be no other. Received: counts={counts.tolist()}"
        )
    if kind == "learned":
        held_out, held_out_labels = read(validation)
        if held_out_labels.max() >= num_classes:
            raise ValueError(
                f"The held-out images must be of the {num_classes} classes of "
                "the others. Received: validation with the label "
                f"{held_out_labels.max()}"
            )
        relation = _learned(probabilities, labels, held_out, held_out_labels)
    else:
        sums = np.eye(num_classes)[labels].T @ probabilities
        relation = sums / counts[:, None]
    return (relation / relation.sum(axis=1, keepdims=True)).astype("float32")


def _reader(source, calibration, batch_size):
    kernel, bias = head_weights(source)
    embedding = embed(source)

    def read(data):
        """The source's probabilities, in float64, and the labels."""
        rows, labels = [], []
        for images, some in labelled_batches(data, batch_size):
            images = as_inputs(embedding, images)
            found = ops.convert_to_numpy(embedding(images, training=False))
            rows.append(found.astype("float64") @ kernel + bias)
            labels.append(class_numbers(some))
        return _softmax(calibration * np.concatenate(rows)), np.concatenate(
            labels
        )

    return read


def _learned(probabilities, labels, held_out, held_out_labels):
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ImportError(
            "The learned relation needs scikit-learn: "
            "`pip install scikit-learn`"
        ) from error
    with early_ends():
        fitted = [
            LogisticRegression(
                C=strength, fit_intercept=False, max_iter=1000
            ).fit(probabilities, labels)
            for strength in _STRENGTHS
        ]
    # The first of the best.
    best = max(fitted, key=lambda one: one.score(held_out, held_out_labels))
    weights = best.coef_
    if len(weights) == 1:
        weights = np.concatenate([np.zeros_like(weights), weights])
    logits = held_out @ weights.T
    weights = _best_scale(logits, held_out_labels) * weights
    marginal = np.concatenate([probabilities, held_out]).mean(axis=0)
    return (_softmax(weights.T) * marginal[:, None]).T


def _best_scale(logits, labels):
    """The factor of the logits with the least cross-entropy."""
    chosen = logits[np.arange(len(logits)), labels]

    def slope(scale):
        return ((_softmax(scale * logits) * logits).sum(1) - chosen).mean()

    # The cross-entropy is convex in the factor, so its slope has one sign
    # change.
    low, high = 1e-3, 1e3
    for _ in range(50):
        middle = np.sqrt(low * high)
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return np.sqrt(low * high)


def _softmax(logits):
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
