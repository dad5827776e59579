"""How similar the classes of a new task are to those of a source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from kerastl.arguments import unknown_name_error
from kerastl.surgery.feature_extractor import embed
from kerastl.surgery.head_weights import head_weights
from kerastl.surgery.imprint_head import class_means
from kerastl.surgery.imprint_head import unit_rows
from kerastl.surgery.source_relation import class_relation
from kerastl.surgery.wordnet import WordNet
from kerastl.types import Data
from kerastl.types import PathLike

if TYPE_CHECKING:
    import keras

_VISUAL = ("posterior", "cosine")
_SEMANTIC = ("path", "wu_palmer", "leacock_chodorow")


def similarity_matrix(
    similarity: Any = "posterior",
    source: keras.Model | None = None,
    data: Data | None = None,
    num_classes: int | None = None,
    target_classes: Sequence[str] | None = None,
    source_classes: Sequence[str] | None = None,
    dictionary: PathLike | None = None,
    batch_size: int = 32,
) -> np.ndarray:
    """Measures how similar each target class is to each source class.

    Visual similarities look at the photos of the new task:

    - `"posterior"`: the mean of the source's probabilities over the photos of
      the class, between 0 and 1;
    - `"cosine"`: the cosine between the mean of what the source's classifier
      reads and its weights for the source class, between -1 and 1.

    Semantic ones look at the names of the classes in WordNet, which NLTK
    reads (`pip install nltk`, the extra `semantic`):

    - `"path"`: `1 / (1 + d)` with the steps `d` from one to the other;
    - `"wu_palmer"`: `2 c / (a + b)` with the depths of the two and of what
      they have in common;
    - `"leacock_chodorow"`: `-log((1 + d) / (2 D))`, `D` the depth of all
      nouns.

    Which of them the paper used could not be read: all are assumed.

    Args:
        similarity: one of the names above; a pair of arrays, embeddings of
            the target and of the source classes, `(classes, values)` each,
            which are compared by cosine; or an array, the similarities
            themselves, `(target classes, source classes)`.
        source: the source with its classifier, for a visual similarity.
        data: labelled images of the new task, without augmentation, for a
            visual similarity: a tuple `(images, labels)` of arrays, or an
            iterable of such batches.
        num_classes: target classes. Defaults to those that occur.
        target_classes: names of the target classes, for a semantic
            similarity: nouns, of which the most frequent meaning is taken,
            or WordNet ids, such as `"n03595614"`.
        source_classes: the same of the source.
        dictionary: folder of WordNet's dictionary, or NLTK's `wordnet.zip`.
            `None` looks where `WNSEARCHDIR` says, then in Debian's folder and
            in those of NLTK.
        batch_size: batch size for arrays.

    Returns:
        Float64 array `(target classes, source classes)`.

    Raises:
        FileNotFoundError: if WordNet's dictionary is not installed.
        ImportError: if NLTK is not, for a semantic similarity.
        ValueError: if something that the similarity needs is missing or does
            not fit.

    Example:

    ```python
    similarity = kerastl.similarity_matrix("posterior", source, train)
    similarity.argmax(axis=1)  # the nearest source class of each target class
    ```

    Reference:
        Pascal, Bost and Huet, "Semantic and Visual Similarities for Efficient
        Knowledge Transfer in CNN Training", CBMI 2019.
    """
    if not isinstance(similarity, str):
        return _given(similarity)
    if similarity in _SEMANTIC:
        _require(
            similarity,
            target_classes=target_classes,
            source_classes=source_classes,
        )
        return _semantic(similarity, target_classes, source_classes, dictionary)
    if similarity not in _VISUAL:
        raise unknown_name_error(
            "similarity", similarity, [*_VISUAL, *_SEMANTIC]
        )
    _require(similarity, source=source, data=data)
    photos: Any = data
    if similarity == "posterior":
        return class_relation(
            source, photos, num_classes=num_classes, batch_size=batch_size
        ).astype("float64")
    kernel, _ = head_weights(source)
    means, _ = class_means(
        embed(source), photos, num_classes, False, batch_size
    )
    return unit_rows(means) @ unit_rows(kernel.T.astype("float64")).T


def _require(similarity, **arguments):
    for name, value in arguments.items():
        if value is None:
            raise ValueError(
                f"The similarity {similarity!r} needs `{name}`. "
                f"Received: {name}=None"
            )


def _semantic(similarity, target_classes, source_classes, dictionary):
    wordnet = WordNet(dictionary)
    targets = [wordnet.find(name) for name in target_classes]
    sources = [wordnet.find(name) for name in source_classes]
    measure = getattr(wordnet, similarity)
    return np.array([[measure(t, s) for s in sources] for t in targets])


def _given(similarity):
    if isinstance(similarity, (tuple, list)) and len(similarity) == 2:
        target, source = (np.asarray(each, "float64") for each in similarity)
        if target.ndim == 2 and source.ndim == 2:
            if target.shape[1] != source.shape[1]:
                raise ValueError(
                    "The embeddings of target and source classes must have "
                    "the same length. Received: shapes "
                    f"{target.shape} and {source.shape}"
                )
            return _finite(unit_rows(target) @ unit_rows(source).T)
    return _finite(np.asarray(similarity, "float64"))


def _finite(matrix):
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise ValueError(
            "A similarity is a finite array of target classes by source "
            "classes, a pair of embeddings, or a name. Received: array of "
            f"shape {matrix.shape}, finite={bool(np.isfinite(matrix).all())}"
        )
    return matrix
