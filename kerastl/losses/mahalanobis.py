from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastl.losses.global_level import gap
from kerastl.training.transfer_loss import TransferLoss
from kerastl.types import TapWeights
from kerastl.types import Tensor

if TYPE_CHECKING:
    from kerastl.metrics.fit_gaussians import Gaussian


@keras.saving.register_keras_serializable(package="kerastl")
class Mahalanobis(TransferLoss):
    """Pulls the features of normal images to their Gaussians.

    The mean over the batch of the distances of all levels:

        sum_l sqrt((f_l(x) - mu_l)^T Sigma_l^-1 (f_l(x) - mu_l))

    with features averaged over space. Mean and covariance are those of the
    pre-trained network and stay fixed, which is assumed: if they moved along,
    constant features would be the optimum.

    Args:
        gaussians: dict from tap name to a Gaussian, see
            `kerastl.metrics.fit_gaussians`. `None` where the values come from
            a saved file.
        weight: Factor of the term in the total loss.
        channels: dict from tap name to its number of channels; read from
            `gaussians`.
        tap_weights: Factor of each level inside the term.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If there are neither Gaussians nor channels.

    Example:

    ```python
    gaussians = kerastl.metrics.fit_gaussians(source, normal_images)
    tuner = kerastl.FineTuner(student, source=source, taps=list(gaussians))
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.Mahalanobis(gaussians)],
    )
    ```

    Reference:
        Rippel et al., "Transfer Learning Gaussian Anomaly Detection by
        Fine-tuning Representations", VISAPP 2022.
    """

    needs_source = False

    def __init__(
        self,
        gaussians: Mapping[str, Gaussian] | None = None,
        weight: float = 1.0,
        channels: Mapping[str, int] | None = None,
        tap_weights: TapWeights | None = None,
        name: str | None = None,
    ) -> None:
        if gaussians is not None:
            channels = {tap: len(g.mean) for tap, g in gaussians.items()}
        if not channels:
            raise ValueError(
                "The distance needs the Gaussians that it is measured to. "
                "Pass `kerastl.metrics.fit_gaussians(source, images)`. "
                f"Received: gaussians={gaussians}"
            )
        super().__init__(weight, list(channels), tap_weights, name)
        self.channels = dict(channels)
        self._store = keras.layers.Layer(name="gaussians", dtype="float32")
        self._values = {}
        for index, (tap, size) in enumerate(self.channels.items()):
            self._values[tap] = [
                self._store.add_weight(
                    shape=shape,
                    initializer="zeros",
                    trainable=False,
                    name=f"{part}_{index}",
                )
                for part, shape in (("mean", (size,)), ("root", (size, size)))
            ]
        for tap, gaussian in (gaussians or {}).items():
            mean, root = self._values[tap]
            mean.assign(gaussian.mean)
            # The length of what this maps to is the distance.
            root.assign(np.linalg.cholesky(gaussian.precision))

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [self._store]

    def call(
        self, student: dict[str, Tensor], source: dict[str, Tensor]
    ) -> Tensor:
        total = 0.0
        for tap, (mean, root) in self._values.items():
            features = gap(ops.cast(student[tap], "float32"))
            away = ops.matmul(features - mean, root)
            # Zero has no gradient under the root.
            squares = ops.maximum(ops.sum(ops.square(away), axis=-1), 1e-12)
            total += self.tap_weight(tap) * ops.mean(ops.sqrt(squares))
        return total

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["taps"]
        return {**config, "channels": self.channels}
