"""How unlike normal images an image is."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Literal

import numpy as np

from kerastl.metrics.fit_gaussians import pooled_features
from kerastl.types import Data

if TYPE_CHECKING:
    import keras

    from kerastl.metrics.fit_gaussians import Gaussian

_REDUCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "mean": np.mean,
    "sum": np.sum,
}


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
    features = pooled_features(model, images, list(gaussians), batch_size)
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
