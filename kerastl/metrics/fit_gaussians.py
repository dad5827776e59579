"""What normal images look like to a network, and how unlike them an image is.

The first as Gaussians of the network's features, the second as the distance
from their means.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Literal
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from kerastl.arguments import as_names
from kerastl.data.batches import labelled_batches
from kerastl.data.batches import predict_batch
from kerastl.surgery.default_taps import default_taps
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.types import Data

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_REDUCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "mean": np.mean,
    "sum": np.sum,
}


class Gaussian(NamedTuple):
    """The distribution of one level's features over normal images.

    Args:
        mean: float64 `(channels,)`.
        precision: inverse of the covariance, float64 `(channels, channels)`.
    """

    mean: np.ndarray
    precision: np.ndarray

    def distance(self, features: ArrayLike) -> np.ndarray:
        """Mahalanobis distances of features `(images, channels)`."""
        away = np.asarray(features, "float64") - self.mean
        squares = np.einsum("ni,ij,nj->n", away, self.precision, away)
        return np.sqrt(np.maximum(squares, 0.0))


def fit_gaussians(
    model: keras.Model,
    images: Data,
    taps: Sequence[str] | None = None,
    batch_size: int = 32,
) -> dict[str, Gaussian]:
    """Fits a Gaussian to the features of normal images at every level.

    The features are averaged over space. The covariance is shrunk toward a
    multiple of the identity as Ledoit and Wolf do, so that it can be inverted
    with fewer images than channels.

    Args:
        model: a pre-trained functional or sequential `keras.Model`.
        images: normal images alone: an array, or an iterable of batches.
        taps: names of the layers. Defaults to the end of each stage, see
            `kerastl.surgery.default_taps`.
        batch_size: batch size for arrays.

    Returns:
        Dict from tap name to a `Gaussian`.

    Raises:
        ValueError: if there are fewer than two images, or a tap is unknown.

    Example:

    ```python
    gaussians = kerastl.metrics.fit_gaussians(source, normal_images)
    scores = kerastl.metrics.mahalanobis_score(source, images, gaussians)
    ```

    Reference:
        Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data
        in Pre-Trained Deep Features for Anomaly Detection", ICPR 2020.
        Ledoit and Wolf, "A Well-Conditioned Estimator for Large-Dimensional
        Covariance Matrices", 2004.
    """
    taps = [] if taps is None else as_names(taps)
    features = _pooled_features(
        model, images, taps or default_taps(model), batch_size
    )
    gaussians = {}
    for tap, rows in features.items():
        if len(rows) < 2:
            raise ValueError(
                "A Gaussian needs at least two normal images. "
                f"Received: {len(rows)}"
            )
        mean = rows.mean(axis=0)
        precision = np.linalg.inv(_covariance(rows - mean))
        gaussians[tap] = Gaussian(mean, precision)
    return gaussians


def _pooled_features(model, images, taps, batch_size) -> dict:
    """The features at `taps`, averaged over space, float64."""
    extractor = feature_extractor(model, taps)
    pooled = {}
    for tap, x in extractor.output.items():
        pooled[tap] = layers.GlobalAveragePooling2D()(x) if x.ndim == 4 else x
    network = keras.Model(extractor.input, pooled)
    found = {tap: [] for tap in pooled}
    for batch, _ in labelled_batches(images, batch_size, needs_labels=False):
        for tap, rows in predict_batch(network, batch).items():
            found[tap].append(np.asarray(rows, "float64"))
    return {
        tap: np.concatenate(rows) if rows else np.zeros((0, 1))
        for tap, rows in found.items()
    }


def _covariance(centred):
    """The covariance of rows with mean 0, shrunk toward the identity."""
    # Not with the package, whose import stays quick.
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(centred, assume_centered=True)
    level = np.trace(covariance) / len(covariance)
    # Features that never change have no variance to invert.
    tiny = np.finfo("float32").eps
    return covariance + tiny * max(level, tiny) * np.eye(len(covariance))


def mahalanobis_score(
    model: keras.Model,
    images: Data,
    gaussians: Mapping[str, Gaussian],
    reduction: Literal["mean", "sum"] = "mean",
    batch_size: int = 32,
) -> np.ndarray:
    """Scores images by their distance from normal ones.

        d_l(x) = sqrt((f_l(x) - mu_l)^T Sigma_l^-1 (f_l(x) - mu_l))

    with the features `f_l` of level `l`, averaged over space.

    Args:
        model: the network that the Gaussians were fitted with, or its
            fine-tuned copy.
        images: an array of images, or an iterable of batches.
        gaussians: dict from tap name to a Gaussian, see
            `kerastl.metrics.fit_gaussians`.
        reduction: `"mean"` or `"sum"` of the levels.
        batch_size: batch size for arrays.

    Returns:
        One score an image, float64; the higher, the less normal.

    Raises:
        ValueError: if the reduction is unknown, or features do not fit.

    Example:

    ```python
    scores = kerastl.metrics.mahalanobis_score(model, images, gaussians)
    ```

    Reference:
        Rippel et al., "Transfer Learning Gaussian Anomaly Detection by
        Fine-tuning Representations", VISAPP 2022.
    """
    if reduction not in _REDUCTIONS:
        raise ValueError(
            f"`reduction` must be one of {sorted(_REDUCTIONS)}. "
            f"Received: reduction={reduction!r}"
        )
    features = _pooled_features(model, images, list(gaussians), batch_size)
    distances = []
    for tap, gaussian in gaussians.items():
        if features[tap].shape[1:] != gaussian.mean.shape:
            raise ValueError(
                "The Gaussians are of another network. Received: "
                f"{features[tap].shape[1]} features at {tap!r}, a Gaussian "
                f"of {len(gaussian.mean)}"
            )
        distances.append(gaussian.distance(features[tap]))
    return _REDUCTIONS[reduction](distances, axis=0)
