"""What is looked at in photos: quality, copies, doubtful labels."""

import hashlib
from typing import NamedTuple

import numpy as np
from PIL import ImageOps

from kerastl.apps.data.decode_image import UnreadableImageError
from kerastl.apps.data.decode_image import open_image
from kerastl.apps.data.decode_image import to_rgb
from kerastl.apps.data.same_photos import ALIKE
from kerastl.apps.data.same_photos import BITS
from kerastl.apps.data.same_photos import fingerprint
from kerastl.apps.data.same_photos import unit_picture
from kerastl.export.utils.third_party import require
from kerastl.logistic_fit import early_ends

# Sharpness depends on the size, so that all are looked at in about the same.
_LONG_SIDE = 256


class _PhotoFacts(NamedTuple):
    """A photo in numbers.

    Args:
        width: In pixels, after EXIF's rotation.
        height: In pixels.
        light: The brightness, 0 to 255, that nine tenths of it are under.
        sharpness: Variance of the Laplacian; below 30 or so is blurred.
        digest: Of the file's bytes, equal for exact copies.
        hash: 64 bits that copies of another size or quality nearly share.
        small: The grey picture, 32 x 32 bytes.
    """

    width: int
    height: int
    light: float
    sharpness: float
    digest: bytes
    hash: int
    small: np.ndarray


def measure_photo(path):
    """Returns the `_PhotoFacts` of a file, or why it cannot be read, as text.

    >>> measure_photo("photos/cat/1.jpg").width
    640
    """
    try:
        with open_image(path) as image:
            width, height = image.size
            if image.getexif().get(0x0112, 1) >= 5:
                width, height = height, width
            image.draft(None, (_LONG_SIDE, _LONG_SIDE))
            image = to_rgb(ImageOps.exif_transpose(image)).convert("L")
            image.thumbnail((_LONG_SIDE, _LONG_SIDE), reducing_gap=2.0)
    except UnreadableImageError as error:
        return str(error)
    grey = np.asarray(image, "float32")
    hashed, small = fingerprint(image)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return _PhotoFacts(
        width,
        height,
        float(np.percentile(grey, 90)),
        _sharpness(grey),
        digest,
        hashed,
        small,
    )


def _sharpness(grey):
    middle = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((around - 4 * middle).var())


_ROWS = 512


def find_copies(facts):
    """Groups exact and near copies.

    Near copies are the same picture in another size, quality or format. What
    is cropped, turned or mirrored is not found.

    Args:
        facts: List of `_PhotoFacts`.

    Returns:
        Lists of indices, two or more in each, in the order of `facts`.
    """
    hashes = np.array([each.hash for each in facts], "uint64")
    small = np.stack([unit_picture(each.small) for each in facts])
    groups = _Groups(len(facts))
    first = {}
    for index, each in enumerate(facts):
        groups.join(first.setdefault(each.digest, index), index)
    for start in range(0, len(facts), _ROWS):
        rows = hashes[start : start + _ROWS, None] ^ hashes[None, start:]
        near = np.argwhere(np.bitwise_count(rows) <= BITS) + start
        for one, other in near[near[:, 0] < near[:, 1]]:
            if small[one] @ small[other] >= ALIKE:
                groups.join(one, other)
    return groups.found()


class _Groups:
    def __init__(self, count):
        self._parents = list(range(count))

    def _root(self, index):
        while self._parents[index] != index:
            self._parents[index] = self._parents[self._parents[index]]
            index = self._parents[index]
        return index

    def join(self, one, other):
        one, other = sorted((self._root(one), self._root(other)))
        self._parents[other] = one

    def found(self):
        members = {}
        for index in range(len(self._parents)):
            members.setdefault(self._root(index), []).append(index)
        return [group for group in members.values() if len(group) > 1]


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
    with threadpool_limits(1), early_ends():
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
