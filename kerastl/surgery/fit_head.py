"""A classifier that starts where training it alone would end."""

from typing import NamedTuple

import keras
import numpy as np

from kerastl.arguments import needed_seed
from kerastl.data.batches import as_inputs
from kerastl.data.batches import class_numbers
from kerastl.data.batches import labelled_batches
from kerastl.logistic_fit import early_ends
from kerastl.surgery.feature_extractor import embed
from kerastl.surgery.head_weights import head_weights
from kerastl.surgery.head_weights import write_head
from kerastl.types import Data

# Inverse strengths that are tried, for features of variance 1.
_STRENGTHS = tuple(10.0**power for power in np.arange(-4, 1.01, 0.5))
# What cross-validation chose for 5 to 50 photos a class; taken where a class
# is too small to set photos aside.
_USUAL = 10**-1.5
_FOLDS = 5
# Above so many photos two folds say as much, and take seconds still.
_MANY = 1000


class HeadFit(NamedTuple):
    """What `fit_head` found.

    Args:
        inverse_strength: The inverse L2 strength that was taken.
        accuracy: Accuracy in cross-validation, of photos that the fit had
            not seen; `None` where a class has one photo.
    """

    inverse_strength: float
    accuracy: float | None


def fit_head(
    model: keras.Model, data: Data, seed: int = 0, batch_size: int = 32
) -> HeadFit:
    """Fits the classifier of `model` to its frozen features, in place.

    Regularized multinomial logistic regression on what the classifier reads,
    in inference mode: one pass over the images, then seconds. A classifier
    that is drawn at random sends large, blind gradients through the
    pre-trained layers in the first epochs of a fine-tune, which is where few
    photos lose what the source knew; one that has converged does not.

    The strength of the L2 penalty is chosen by stratified cross-validation,
    by the likelihood of the photos that were left out.

    Args:
        model: The network to train, a `Dense` or 1x1 convolution with softmax
            at its end.
        data: Labelled images, without augmentation: a tuple
            `(images, labels)` of arrays, or an iterable of such batches.
            Labels are integers or one-hot.
        seed: Seed of the folds.
        batch_size: Batch size for arrays.

    Returns:
        A `HeadFit`.

    Raises:
        ValueError: If there is no such classifier, a class has no image, a
            label is out of range, or the features are not finite.

    Example:

    ```python
    student = kerastl.replace_head(source, num_classes=10)
    kerastl.fit_head(student, (images, labels)).accuracy  # before training
    ```

    Reference:
        Kumar et al., "Fine-Tuning can Distort Pretrained Features and
        Underperform Out-of-Distribution", ICLR 2022, section 3.4: a linear
        probe first, then fine-tuning.
    """
    seed = needed_seed("seed", seed)
    _, bias = head_weights(model)
    features, labels = embed_labelled(embed(model), data, batch_size)
    counts = np.bincount(labels, minlength=len(bias))
    if len(counts) > len(bias) or not counts.all():
        raise ValueError(
            "Every class needs at least one image, and labels count from 0. "
            f"Received: a classifier of {len(bias)} classes, images by label "
            f"{dict(enumerate(counts.tolist()))}"
        )
    if not np.isfinite(features).all():
        raise ValueError(
            "The features are not finite, so that nothing can be fitted to "
            "them. Look for NaN in the images or the weights. Received: "
            f"{np.sum(~np.isfinite(features))} such values"
        )
    rows, offsets, found = fit_classifier(features, labels, seed)
    write_head(model, rows.astype("float32"), offsets.astype("float32"))
    return found


def fit_classifier(features, labels, seed=0):
    """Regularized multinomial logistic regression on features.

    Args:
        features: Array `(n, units)`, finite.
        labels: Integer labels `(n,)`; every class has at least one.
        seed: Seed of the folds.

    Returns:
        The weights `(classes, units)`, the biases `(classes,)`, and a
        `HeadFit`.
    """
    mean = features.mean(axis=0)
    scale = features.std() or 1.0
    points, basis = _rotated((features - mean) / scale)
    smallest = np.bincount(labels).min()
    rows, offsets, found = _regress(points, labels, smallest, seed)
    rows = rows @ basis / scale
    return rows, offsets - rows @ mean, found


def embed_labelled(network, data, batch_size=32):
    """Returns what a network says of labelled images, and their labels.

    Args:
        network: A model that gives `(batch, units)`.
        data: A tuple `(images, labels)` of arrays, or an iterable of batches.
        batch_size: Batch size for arrays.

    Returns:
        `float64` features `(n, units)` and integer labels `(n,)`.
    """
    features, labels = [], []
    for images, batch_labels in labelled_batches(data, batch_size):
        # Not compiled: there a ReLU may make zeros of NaN.
        outputs = network(as_inputs(network, images), training=False)
        features.append(keras.ops.convert_to_numpy(outputs))
        labels.append(class_numbers(batch_labels))
    return np.concatenate(features).astype("float64"), np.concatenate(labels)


def _rotated(points):
    """The points in the space that they span, and its basis in rows.

    The penalty keeps the weights in that space, so that the fit is the same,
    in as many dimensions as there are photos.
    """
    left, values, basis = np.linalg.svd(points, full_matrices=False)
    return left * values, basis


def _regress(points, labels, smallest, seed):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    chosen, accuracy = _USUAL, None
    # Threads that wait for each other cost more than such small matrices.
    with threadpool_limits(1), early_ends():
        if smallest >= 2:
            count = 2 if len(labels) > _MANY else min(_FOLDS, smallest)
            folds = StratifiedKFold(count, shuffle=True, random_state=seed)
            said = {}
            for strength in _STRENGTHS:
                said[strength] = _likelihood(points, labels, folds, strength)
            chosen = max(said, key=lambda strength: said[strength][0])
            accuracy = said[chosen][1]
        fit = LogisticRegression(C=chosen, max_iter=1000).fit(points, labels)
    rows, offsets = fit.coef_, fit.intercept_
    if len(rows) == 1:
        # Of two classes scikit-learn keeps the difference.
        rows = np.concatenate([-rows, rows]) / 2
        offsets = np.concatenate([-offsets, offsets]) / 2
    return rows, offsets, HeadFit(chosen, accuracy)


def _likelihood(points, labels, folds, strength):
    """Mean log-likelihood and accuracy of the photos that are left out."""
    from sklearn.linear_model import LogisticRegression

    likelihood = right = 0.0
    for fitted, held in folds.split(points, labels):
        fit = LogisticRegression(C=strength, max_iter=300)
        fit.fit(points[fitted], labels[fitted])
        said = fit.predict_log_proba(points[held])
        likelihood += said[np.arange(len(held)), labels[held]].sum()
        right += np.sum(said.argmax(axis=1) == labels[held])
    return likelihood / len(labels), float(right / len(labels))
