import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf_shrinkage

from kerastl.apps.choice.judge_features import discriminant_accuracy
from kerastl.apps.choice.judge_features import neighbour_accuracy


def _blobs(units, apart, count=60, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 4, count)
    centres = apart * generator.normal(size=(4, units))
    return generator.normal(size=(count, units)) + centres[labels], labels


def _fitted_anew(points, labels):
    """Linear discriminant analysis, once for every photo that is left out."""
    points = points - points.mean(axis=0)
    classes = labels.max() + 1
    means = np.stack([points[labels == c].mean(axis=0) for c in range(classes)])
    inside = points - means[labels]
    share = ledoit_wolf_shrinkage(inside, assume_centered=True)
    floor = share * np.mean(inside**2)
    right = 0
    for left_out in range(len(points)):
        kept = np.arange(len(points)) != left_out
        means = np.stack(
            [points[kept & (labels == c)].mean(axis=0) for c in range(classes)]
        )
        inside = points[kept] - means[labels[kept]]
        covariance = (1 - share) / (len(points) - classes - 1) * (
            inside.T @ inside
        ) + floor * np.eye(points.shape[1])
        gaps = points[left_out] - means
        squares = np.sum(gaps @ np.linalg.inv(covariance) * gaps, axis=1)
        prior = np.log(np.bincount(labels[kept]))
        right += np.argmax(prior - squares / 2) == labels[left_out]
    return right / len(points)


@pytest.mark.parametrize("units, apart", [(10, 0.7), (10, 1.0), (200, 0.15)])
def test_one_inverse_gives_what_as_many_fits_as_photos_give(units, apart):
    points, labels = _blobs(units, apart)
    expected = _fitted_anew(points, labels)
    assert 0.4 < expected < 1
    assert discriminant_accuracy(points, labels) == pytest.approx(expected)


def test_a_photo_alone_in_its_class_is_named_wrongly():
    points, labels = _blobs(5, 8.0)
    assert discriminant_accuracy(points, labels) == 1
    labels = np.append(labels, 4)
    points = np.vstack([points, points[:1] + 50])
    assert discriminant_accuracy(points, labels) == pytest.approx(60 / 61)


def test_constant_features_tell_no_more_than_the_largest_class():
    labels = np.array([0] * 6 + [1] * 3)
    assert discriminant_accuracy(np.ones((9, 4)), labels) == pytest.approx(
        6 / 9
    )


def test_neighbours_vote_with_their_cosine_and_a_photo_not_for_itself():
    angles = np.array([0.0, 0.1, 0.2, 1.5, 1.6, 1.7])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = np.array([0, 0, 0, 1, 1, 1])
    # Of five neighbours two are of its own class, and three, far away, not.
    far = points.copy()
    votes = []
    for each in range(6):
        cosine = 1 + points @ points[each]
        cosine[each] = 0
        votes.append(np.argmax([cosine[:3].sum(), cosine[3:].sum()]))
    expected = np.mean(np.array(votes) == labels)
    assert neighbour_accuracy(far, labels) == pytest.approx(expected)
    # The length of a photo's features counts for nothing.
    assert neighbour_accuracy(
        points * np.array([[1], [9], [1], [1], [0.1], [1]]), labels
    ) == pytest.approx(expected)
    assert neighbour_accuracy(_blobs(8, 3.0)[0], _blobs(8, 3.0)[1]) == 1
