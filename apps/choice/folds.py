"""The training photos in folds, each a small task of its own."""

import numpy as np

from kerastl.apps.data.image_data import ImageData

_MOST = 5


def count_folds(labels) -> int:
    """How many folds there can be: five, or as many as the smallest class has.

    Args:
        labels: Integer labels of the training photos.

    Returns:
        At least 2; 0 where a class has one photo.
    """
    smallest = int(np.bincount(labels).min())
    return 0 if smallest < 2 else min(_MOST, smallest)


def make_folds(data, count):
    """Splits the training photos, the classes evenly.

    Args:
        data: An `apps.ImageData`.
        count: Number of folds.

    Returns:
        A list of `ImageData`: the training photos without a fold, and that
        fold as the validation part.
    """
    from sklearn.model_selection import StratifiedKFold

    part = data.parts["train"]
    splitter = StratifiedKFold(count, shuffle=True, random_state=data.seed)
    return [
        ImageData(
            {"train": part.take(kept), "validation": part.take(held)},
            data.class_names,
            data.image_size,
            batch_size=data.batch_size,
            augmentation=data.augmentation,
            seed=data.seed,
        )
        for kept, held in splitter.split(np.zeros(len(part)), part.labels)
    ]
