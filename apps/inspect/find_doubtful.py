"""Finds photos whose label is doubtful, by what a network makes of them."""

import numpy as np

from kerastl.export.utils.third_party import require

_FOLDS = 5
# Of the features, the directions in which photos differ most: more take long
# and find no more. Their length is what a regression's usual penalty suits.
_DIRECTIONS = 64
_LENGTH = 15.0


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
    cleanlab = require("cleanlab.filter", "kerastl[inspect]")
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.model_selection import cross_val_predict
    from threadpoolctl import threadpool_limits

    labels = np.asarray(labels)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    features = features / np.maximum(lengths, 1e-12)
    directions = min(_DIRECTIONS, *features.shape)
    features = PCA(directions, random_state=seed).fit_transform(features)
    folds = min(_FOLDS, int(np.bincount(labels).min()))
    # Threads that wait for each other cost more than such small matrices.
    with threadpool_limits(1):
        probabilities = cross_val_predict(
            LogisticRegression(max_iter=200),
            _LENGTH * features,
            labels,
            cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
            method="predict_proba",
        )
    issues = cleanlab.find_label_issues(
        labels,
        probabilities,
        # By the noise rate, those in the place of few others are dropped.
        filter_by="prune_by_class",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    likely = probabilities.argmax(axis=1)
    return [
        (int(index), int(likely[index]))
        for index in issues
        if likely[index] != labels[index]
    ]
