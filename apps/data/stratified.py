"""Choosing images so that every class has its share."""

import numpy as np


def split_by_class(labels, share, seed):
    """Splits indices into two, with the same share of every class.

    Args:
        labels: Integer labels `(n,)`.
        share: Share of each class that goes into the second part, rounded.
            A class with two or more images leaves at least one in each.
        seed: Seed of the choice.

    Returns:
        Two sorted arrays of indices.
    """
    second = []
    for members in _shuffled_classes(labels, seed):
        count = int(round(share * len(members)))
        if share > 0 and len(members) > 1:
            count = min(max(count, 1), len(members) - 1)
        second.append(members[:count])
    second = np.sort(np.concatenate(second))
    return np.setdiff1d(np.arange(len(labels)), second), second


def choose_shots(labels, shots, seed):
    """Chooses the same number of every class.

    The choice for fewer shots is part of the choice for more, with the same
    seed.

    Args:
        labels: Integer labels `(n,)`; every class has at least `shots`.
        shots: How many of each class.
        seed: Seed of the choice.

    Returns:
        A sorted array of indices.
    """
    chosen = [m[:shots] for m in _shuffled_classes(labels, seed)]
    return np.sort(np.concatenate(chosen))


def _shuffled_classes(labels, seed):
    labels = np.asarray(labels)
    for label in np.unique(labels):
        # A generator for each class: a class more changes no other's choice.
        generator = np.random.default_rng([seed, int(label)])
        yield generator.permutation(np.flatnonzero(labels == label))
