"""A learning rate and a momentum for a fine-tune, from how near the task is."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import NamedTuple

import numpy as np

from kerastl.surgery.imprint_head import unit_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Effective learning rates that were best, by falling similarity.
_BANDS = ((0.001, 0.01), (0.01, 0.1), (0.1, 1.0))
# Between the similarities of the paper's seven data sets.
_THRESHOLDS = (0.861, 0.85)
_MOMENTA = (0.0, 0.9, 0.9)


class HyperparameterSuggestion(NamedTuple):
    """What to start a search from.

    Args:
        similarity: similarity of the two tasks, in (0, 1].
        effective_learning_rate: `learning_rate / (1 - momentum)`, the middle
            of the range on a logarithmic scale.
        effective_range: lowest and highest effective learning rate to try.
        learning_rate: learning rate of SGD.
        momentum: momentum of SGD.
    """

    similarity: float
    effective_learning_rate: float
    effective_range: tuple
    learning_rate: float
    momentum: float

    def __str__(self):
        low, high = self.effective_range
        return (
            f"similarity to the source {self.similarity:.3f}: try learning "
            f"rate {self.learning_rate:.2g} with momentum {self.momentum:g} "
            f"(effective {self.effective_learning_rate:.2g}, from {low:g} to "
            f"{high:g})"
        )


def suggest_hyperparameters(
    source_features: ArrayLike,
    target_features: ArrayLike,
    source_sizes: ArrayLike | None = None,
    target_sizes: ArrayLike | None = None,
    gamma: float = 0.01,
    thresholds: tuple[float, float] = _THRESHOLDS,
    normalize: bool = False,
) -> HyperparameterSuggestion:
    """Suggests a learning rate and a momentum from the nearness of two tasks.

    What matters in fine-tuning by SGD is the effective learning rate
    `learning_rate / (1 - momentum)`: small for a task near to the source's,
    which needs little change, large for a distant one. The nearness is
    `exp(-gamma * d)` with the earth mover's distance `d` between the mean
    features of the classes, weighted by their images.

    The ranges are those of ResNet-101 from ImageNet with batches of 256. The
    similarities between which they change depend on the features: the
    defaults lie between the paper's values for its seven data sets, and are
    assumed for any other network.

    Args:
        source_features: mean features of the source's classes,
            `(classes, features)`, from the pre-trained network; see
            `kerastl.surgery.class_means`.
        target_features: the same of the new task, from the same network.
        source_sizes: images of each source class. `None` takes as many of
            each.
        target_sizes: images of each target class.
        gamma: how fast similarity falls with distance.
        thresholds: similarities above which the lowest and the middle range
            are suggested, the higher one first.
        normalize: whether the means are scaled to unit length first. The
            published similarities are without.

    Returns:
        A `HyperparameterSuggestion`.

    Raises:
        ImportError: if SciPy is not installed.
        ValueError: if shapes do not fit or something is out of range.

    Example:

    ```python
    embedding = kerastl.surgery.embed(source)
    old, _ = kerastl.surgery.class_means(embedding, source_data)
    new, _ = kerastl.surgery.class_means(embedding, train)
    print(kerastl.suggest_hyperparameters(old, new))
    ```

    Reference:
        Li et al., "Rethinking the Hyperparameters for Fine-tuning", ICLR
        2020, sections 3.3 and 3.4. Cui et al., "Large Scale Fine-Grained
        Categorization and Domain-Specific Transfer Learning", CVPR 2018, for
        the similarity.
    """
    high, middle = thresholds
    if not 0 < middle <= high < 1:
        raise ValueError(
            "The similarities where the range changes lie between 0 and 1, "
            f"the higher one first. Received: thresholds={thresholds}"
        )
    source = _checked(source_features, "source_features", normalize)
    target = _checked(target_features, "target_features", normalize)
    if source.shape[1] != target.shape[1]:
        raise ValueError(
            "Both tasks' features come from the same network, so there are as "
            f"many. Received: shapes {source.shape} and {target.shape}"
        )
    distance = earth_movers_distance(
        source,
        target,
        _shares(source_sizes, source, "source_sizes"),
        _shares(target_sizes, target, "target_sizes"),
    )
    similarity = float(np.exp(-gamma * distance))
    place = 0 if similarity >= high else 1 if similarity >= middle else 2
    low, top = _BANDS[place]
    effective, momentum = float(np.sqrt(low * top)), _MOMENTA[place]
    return HyperparameterSuggestion(
        similarity,
        effective,
        (low, top),
        effective * (1 - momentum),
        momentum,
    )


def _checked(features, name, normalize):
    features = np.asarray(features, "float64")
    if features.ndim != 2 or not features.size:
        raise ValueError(
            f"`{name}` are mean features, one row a class. "
            f"Received: shape {features.shape}"
        )
    if not np.isfinite(features).all():
        raise ValueError(
            f"`{name}` must be finite. Received: NaN or infinite values"
        )
    return unit_rows(features) if normalize else features


def _shares(sizes, features, name):
    if sizes is None:
        sizes = np.ones(len(features))
    sizes = np.asarray(sizes, "float64")
    if sizes.shape != (len(features),) or not (sizes > 0).all():
        raise ValueError(
            f"`{name}` counts the images of each of the {len(features)} "
            f"classes. Received: {name}={sizes.tolist()}"
        )
    return sizes / sizes.sum()


def earth_movers_distance(source, target, source_shares, target_shares):
    """The least mean distance over which one heap of points becomes the other.

    Solves the transport problem exactly, as a linear program.

    Args:
        source: points `(count, features)`.
        target: points of the same length.
        source_shares: share of each source point; they sum to 1.
        target_shares: share of each target point.

    Returns:
        The distance, a float.

    Raises:
        ImportError: if SciPy is not installed.
        ValueError: if there is no solution, because the shares are not alike.

    Example:

    >>> earth_movers_distance([[0.0], [1.0]], [[3.0]], [0.5, 0.5], [1.0])
    2.5

    Reference:
        Rubner, Tomasi and Guibas, "The Earth Mover's Distance as a Metric for
        Image Retrieval", IJCV 2000.
    """
    try:
        from scipy import sparse
        from scipy.optimize import linprog
        from scipy.spatial.distance import cdist
    except ImportError as error:
        raise ImportError(
            "The distance between two tasks needs SciPy: `pip install scipy`"
        ) from error
    distances = cdist(source, target)
    rows, columns = distances.shape
    leaving = sparse.kron(sparse.eye(rows), np.ones((1, columns)))
    arriving = sparse.kron(np.ones((1, rows)), sparse.eye(columns))
    solved = linprog(
        distances.ravel(),
        A_eq=sparse.vstack([leaving, arriving]),
        b_eq=np.concatenate([source_shares, target_shares]),
        method="highs",
    )
    if not solved.success:
        raise ValueError(
            "The distance between the tasks could not be computed. Received: "
            f"{rows} source and {columns} target classes; {solved.message}"
        )
    return float(solved.fun)
