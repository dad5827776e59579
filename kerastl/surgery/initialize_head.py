"""A new classifier put together from similar classes of the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import NamedTuple

import numpy as np

from kerastl.surgery.head_weights import head_weights
from kerastl.surgery.head_weights import write_head
from kerastl.surgery.imprint_head import mean_cosine
from kerastl.surgery.similarity_matrix import similarity_matrix
from kerastl.types import Data
from kerastl.types import PathLike

if TYPE_CHECKING:
    import keras

_NORMALIZATIONS = ("sum", "softmax")


class HeadInitialization(NamedTuple):
    """What a new classifier was made of.

    Args:
        similarity: similarity of each target class to each source class.
        combination: share of each source class in each target class; rows
            sum to 1.
        mean_cosine: mean cosine between the weights of two target classes.
            Near 1 the classes have collapsed to one direction: take a smaller
            `top_k`.
    """

    similarity: np.ndarray
    combination: np.ndarray
    mean_cosine: float


def initialize_head(
    model: keras.Model,
    source: keras.Model,
    similarity: Any = "posterior",
    data: Data | None = None,
    top_k: int | None = 5,
    normalization: Literal["sum", "softmax"] = "sum",
    temperature: float = 1.0,
    match_norm: bool = False,
    target_classes: Sequence[str] | None = None,
    source_classes: Sequence[str] | None = None,
    dictionary: PathLike | None = None,
    batch_size: int = 32,
) -> HeadInitialization:
    """Starts the classifier of `model` from similar classes of the source.

    Instead of random weights each target class gets a mean of the weights
    that the source's classifier has for the most similar source classes, in
    place. With few images that starts training well above chance.

    The combination could not be read in the paper: similarities of the
    `top_k` nearest source classes, scaled to sum 1, are assumed.

    Args:
        model: the network to train, whose classifier reads what the source's
            reads: a copy of the source, anti-aliased if wanted, through
            `kerastl.replace_head`.
        source: the network that it came from, with its classifier.
        similarity: as in `kerastl.similarity_matrix`.
        data: labelled images of the new task, for a visual similarity.
        top_k: how many source classes a target class is made of. `None`
            takes all.
        normalization: `"sum"` divides the similarities by their sum;
            `"softmax"` takes the softmax of them over `temperature`.
        temperature: of the softmax.
        match_norm: whether the weights of each class are scaled to the mean
            norm that classes have in the source. A mean of several is
            shorter.
        target_classes: names of the target classes, for a semantic
            similarity.
        source_classes: the same of the source.
        dictionary: folder of WordNet's dictionary, or NLTK's `wordnet.zip`.
        batch_size: batch size for arrays.

    Returns:
        A `HeadInitialization`.

    Raises:
        FileNotFoundError: if WordNet's dictionary is not installed.
        ImportError: if NLTK is not, for a semantic similarity.
        ValueError: if a classifier is missing, or the numbers of classes or
            of features do not fit.

    Example:

    ```python
    source = apps.MobileNetV2(weights="imagenet")
    student = kerastl.replace_head(source, num_classes=10)
    made = kerastl.initialize_head(student, source, data=train)
    made.similarity.argmax(axis=1)
    ```

    Reference:
        Pascal, Bost and Huet, "Semantic and Visual Similarities for Efficient
        Knowledge Transfer in CNN Training", CBMI 2019.
    """
    if normalization not in _NORMALIZATIONS:
        raise ValueError(
            f"`normalization` must be one of {_NORMALIZATIONS}. "
            f"Received: normalization={normalization!r}"
        )
    kernel, bias = head_weights(source)
    own_kernel, _ = head_weights(model)
    if len(kernel) != len(own_kernel):
        raise ValueError(
            "The classifiers of student and source must read as many "
            "features. Make the student from the source: `kerastl."
            "replace_head(source, num_classes)`. Received: "
            f"{len(own_kernel)} features in the student, {len(kernel)} in "
            "the source"
        )
    count = kernel.shape[1]
    if top_k is not None and not 1 <= top_k <= count:
        raise ValueError(
            f"`top_k` lies between 1 and the source's {count} classes. "
            f"Received: top_k={top_k}"
        )
    matrix = similarity_matrix(
        similarity,
        source,
        data,
        num_classes=own_kernel.shape[1],
        target_classes=target_classes,
        source_classes=source_classes,
        dictionary=dictionary,
        batch_size=batch_size,
    )
    expected = (own_kernel.shape[1], count)
    if matrix.shape != expected:
        raise ValueError(
            "The similarity has a row for each class of the student and a "
            f"column for each of the source: expected shape {expected}. "
            f"Received: shape {matrix.shape}"
        )
    shares = _shares(matrix, top_k or count, normalization, temperature)
    rows = shares @ kernel.T
    if match_norm:
        wanted = np.linalg.norm(kernel, axis=0).mean()
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows * wanted / np.maximum(norms, np.finfo("float32").tiny)
    write_head(model, rows, shares @ bias)
    return HeadInitialization(matrix, shares, mean_cosine(rows))


def _shares(matrix, top_k, normalization, temperature):
    """The similarities to the nearest source classes, with sum 1 a row."""
    nearest = np.argsort(-matrix, axis=1, kind="stable")[:, :top_k]
    chosen = np.take_along_axis(matrix, nearest, axis=1)
    if normalization == "softmax":
        chosen = chosen - chosen.max(axis=1, keepdims=True)
        chosen = np.exp(chosen / temperature)
    elif (chosen < 0).any() or not chosen.sum(axis=1).all():
        row = int(np.argmin(chosen.min(axis=1)))
        raise ValueError(
            "Similarities that are negative, or all 0, cannot be divided by "
            "their sum. Pass `normalization='softmax'`, or a smaller `top_k`. "
            f"Received: similarities {chosen[row].round(4).tolist()} of "
            f"target class {row}"
        )
    shares = np.zeros_like(matrix)
    np.put_along_axis(
        shares, nearest, chosen / chosen.sum(axis=1, keepdims=True), axis=1
    )
    return shares
