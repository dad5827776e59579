"""Finds photos whose label is doubtful, by what a network makes of them."""

import numpy as np

from kerastl.export.require import require

_FOLDS = 5
# Unit features are short for a regression that is held to small weights.
_LENGTH = 8.0


def find_doubtful(features, labels, seed=0):
    """Ranks the photos that are most likely in the wrong folder.

    Confident learning (Northcutt, Jiang and Chuang, JAIR 2021), by cleanlab:
    a linear classifier says of every photo what it learned from the others.

    Args:
        features: Array `(photos, units)`.
        labels: Integer labels; every class has two photos or more.
        seed: Of the folds.

    Returns:
        A list of `(index, class)`, the most doubtful first, with the class
        that the photo looks like.

    Raises:
        ImportError: If cleanlab is missing.
    """
    rank = require("cleanlab.rank", "kerastl[inspect]")
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.model_selection import cross_val_predict

    labels = np.asarray(labels)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    features = _LENGTH * features / np.maximum(lengths, 1e-12)
    folds = min(_FOLDS, int(np.bincount(labels).min()))
    probabilities = cross_val_predict(
        LogisticRegression(max_iter=200),
        features,
        labels,
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
        method="predict_proba",
    )
    quality = rank.get_label_quality_scores(
        labels, probabilities, method="normalized_margin"
    )
    likely = probabilities.argmax(axis=1)
    return [
        (int(index), int(likely[index]))
        for index in np.argsort(quality, kind="stable")
        if likely[index] != labels[index]
    ]
