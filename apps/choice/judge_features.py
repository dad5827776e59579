"""How well a network's features tell the classes of some photos apart."""

import math
from typing import NamedTuple

import numpy as np

from kerastl.surgery.feature_extractor import embed
from kerastl.surgery.fit_head import embed_labelled
from kerastl.surgery.imprint_head import unit_rows

_NEIGHBOURS = 5


class FeatureScores(NamedTuple):
    """Accuracies, 0 to 1, each of photos that the rule had not seen.

    Args:
        neighbours: Of the five nearest other photos, by cosine.
        discriminant: Of linear discriminant analysis, leave-one-out.
        logistic: Of logistic regression, cross-validated; `None` where a
            class has one photo.
    """

    neighbours: float
    discriminant: float
    logistic: float | None


def neighbour_accuracy(features, labels) -> float:
    """Accuracy of the nearest other photos: each votes with its cosine.

    Args:
        features: Array `(n, units)`.
        labels: Integer labels `(n,)`.

    Returns:
        The share of the photos that their neighbours name rightly.

    Reference:
        arXiv 2503.18528, where it ranks pre-trained networks better than 23
        published measures of transferability.
    """
    units = unit_rows(features)
    cosine = units @ units.T
    np.fill_diagonal(cosine, -np.inf)
    count = min(_NEIGHBOURS, len(labels) - 1)
    nearest = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
    votes = np.zeros((len(labels), labels.max() + 1))
    places = np.arange(len(labels))[:, None]
    # A cosine may be negative, and a vote is never against.
    np.add.at(votes, (places, labels[nearest]), 1 + cosine[places, nearest])
    return float(np.mean(votes.argmax(axis=1) == labels))


def discriminant_accuracy(features, labels) -> float:
    """Leave-one-out accuracy of linear discriminant analysis.

    The covariance within the classes is shrunk towards a multiple of the
    identity by Ledoit and Wolf's share, found once. Leaving a photo out
    changes the mean of its class and takes one outer product from the
    covariance, so that all n fits take one inverse.

    Args:
        features: Array `(n, units)`.
        labels: Integer labels `(n,)`.

    Returns:
        The share of the photos that are named rightly. A photo that is alone
        in its class never is.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    points = np.asarray(features, "float64")
    points = points - points.mean(axis=0)
    # In the space that the photos span nothing is lost but empty dimensions.
    units = points.shape[1]
    left, values, basis = np.linalg.svd(points, full_matrices=False)
    points = left * values
    marks = np.eye(labels.max() + 1)[labels]
    counts = marks.sum(axis=0)
    means = marks.T @ points / np.maximum(counts, 1)[:, None]
    inside = points - means[labels]
    freedom = max(len(labels) - np.count_nonzero(counts) - 1, 1)
    share = ledoit_wolf_shrinkage(inside @ basis, assume_centered=True)
    floor = share * np.sum(inside**2) / (len(labels) * units)
    floor += 1e-12 * (1 + np.mean(points**2))
    factor = (1 - share) / freedom
    precision = np.linalg.inv(
        factor * inside.T @ inside + floor * np.eye(points.shape[1])
    )
    own = counts[labels]
    grown = own / np.maximum(own - 1, 1)
    taken = factor * grown
    seen = points @ precision
    own_square = np.sum(seen * points, axis=1)
    to_means = seen @ means.T
    between = means @ precision @ means.T
    places = np.arange(len(labels))
    to_own = to_means[places, labels]
    squares = own_square[:, None] - 2 * to_means + np.diag(between)
    reach = squares[places, labels]
    along = (own_square - to_own)[:, None] - to_means + between[labels]
    room = np.maximum(1 - taken * reach, 1e-12)
    squares += (taken / room)[:, None] * along**2
    # From the mean of the others in its class it is further away.
    squares[places, labels] *= grown**2
    left_over = counts - marks
    scores = np.log(np.maximum(left_over, 1e-9)) - squares / 2
    scores[left_over == 0] = -np.inf
    return float(np.mean(scores.argmax(axis=1) == labels))


# More tell a little more, and take as much longer.
_MOST = 2000


def look(source, data):
    """Returns the features of the training photos, the classes in turn.

    Args:
        source: The network.
        data: An `apps.ImageData`.

    Returns:
        Features `(n, units)` and labels `(n,)` of at most 2,000 photos, or a
        batch more.
    """
    batches = data.calibration.take(math.ceil(_MOST / data.batch_size))
    return embed_labelled(embed(source), batches)
