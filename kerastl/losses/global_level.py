"""What of a feature map is compared in the large.

The descriptors take float32 features `(batch, ..., channels)`, or channels
first when Keras is set so, and return a tensor whose first axis is the batch.
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import Self

import keras
from keras import ops

from kerastl.arguments import nearest_hint
from kerastl.losses.feature_distance import FeatureDistance
from kerastl.types import TapWeights
from kerastl.types import Tensor


@keras.saving.register_keras_serializable(package="kerastl")
class GlobalLevel(FeatureDistance):
    """Global-level loss of KTFT: keep the source's features in the large.

    The sum over the taps of the mean squared difference between a summary
    `g` of the student's and of the source's feature map:

        sum_l  1 / |g| * || g(F_student^l) - g(F_source^l) ||^2

    The formula is assumed: no source shows the paper's own. The default
    summary, the mean over space, has the property that the paper's abstract
    asks for: what aliasing adds is high-frequency, so it dominates a
    pixel-wise distance and mostly averages out of a spatial mean. The term
    therefore keeps asking for the content where `PixelLevel` asks for
    aliased pixels. The separation is weaker on small, late maps. "Global"
    could mean other summaries as well, so it is pluggable.

    Args:
        weight: Factor of the term in the total loss. No published value is
            known; start at 1 and search 1, 10, 100.
        descriptor: The summary. `"gap"`: mean over space. `"gram"`: channel
            products, mean over space. `"attention"`: energy over channels
            at each place, at unit length. `"similarity"`: inner products
            between the examples of the batch, rows at unit length. Or a
            callable from float32 features (batch first) to a tensor,
            registered with `keras.saving.register_keras_serializable` so
            that the tuner can be saved.
        taps: Names of the taps to compare; `None` takes all of the tuner's.
        tap_weights: Factor of each tap, a dict by name or a list in the
            order of `taps`.
        paper_scaling: `True` sums over all axes of the summary but the
            batch instead of taking their mean.
        relative: `True` divides each tap's distance by the mean square of
            the source's summary there: the term is then a sum of relative
            errors. Taps with large values do not drown the others, and the
            same weight means the same in every architecture. Where features
            of both signs cancel out in the summary, its mean square counts as
            no less than a twentieth of that of the summary of their magnitudes:
            the mean over space of a linear block output is almost zero, and
            the share of almost nothing is huge. Beyond a share of 10 a tap's
            distance grows with the logarithm only, so that steps that are too
            long do not explode; a tap at which the source gives only zeros
            counts 0.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If the descriptor is unknown or not registered.

    Example:

    ```python
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[
            kerastl.losses.PixelLevel(1.0),
            kerastl.losses.GlobalLevel(10.0),
        ],
    )
    ```

    Reference:
        Suzuki et al., "Knowledge Transferred Fine-Tuning for Anti-Aliased
        Convolutional Neural Network in Data-Limited Situation", ICIP 2021;
        extended in IEEE Access 10, 2022.
    """

    def __init__(
        self,
        weight: float = 1.0,
        descriptor: str | Callable[[Tensor], Tensor] = "gap",
        taps: Sequence[str] | None = None,
        tap_weights: TapWeights | None = None,
        paper_scaling: bool = False,
        relative: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(
            weight, taps, tap_weights, paper_scaling, relative, name
        )
        self.descriptor = descriptor
        self._describe = _resolved(descriptor)

    def describe(self, features: Tensor) -> Tensor:
        return self._describe(features)

    def get_config(self) -> dict[str, Any]:
        descriptor = self.descriptor
        if not isinstance(descriptor, str):
            descriptor = keras.saving.serialize_keras_object(descriptor)
        return {**super().get_config(), "descriptor": descriptor}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        if not isinstance(config["descriptor"], str):
            config["descriptor"] = keras.saving.deserialize_keras_object(
                config["descriptor"]
            )
        return cls(**config)


def _resolved(descriptor):
    if isinstance(descriptor, str):
        if descriptor in DESCRIPTORS:
            return DESCRIPTORS[descriptor]
        raise ValueError(
            f"Unknown descriptor.{nearest_hint(descriptor, DESCRIPTORS)} "
            f"Expected one of {sorted(DESCRIPTORS)}, or a registered callable. "
            f"Received: descriptor={descriptor!r}"
        )
    registered_as = (
        descriptor if hasattr(descriptor, "__name__") else type(descriptor)
    )
    if not callable(descriptor) or (
        keras.saving.get_registered_object(
            keras.saving.get_registered_name(registered_as)
        )
        is not registered_as
    ):
        raise ValueError(
            "A descriptor that is not a name must be a callable registered "
            "with `@keras.saving.register_keras_serializable(package=...)`, "
            "otherwise the tuner could not be saved. "
            f"Received: descriptor={descriptor!r}"
        )
    return descriptor


def _rows(features):
    """Features as (batch, space, channels)."""
    if len(features.shape) == 2:
        return ops.expand_dims(features, 1)
    channels = features.shape[-1]
    if keras.config.image_data_format() == "channels_first":
        channels = features.shape[1]
        features = ops.moveaxis(features, 1, -1)
    return ops.reshape(features, (ops.shape(features)[0], -1, channels))


def _normalized(rows):
    """Rows at unit length; a row of zeros stays zero, with zero gradient."""
    squares = ops.sum(ops.square(rows), axis=-1, keepdims=True)
    return rows * ops.rsqrt(ops.maximum(squares, 1e-12))


def gap(features):
    """Mean over space: (batch, channels)."""
    return ops.mean(_rows(features), axis=1)


def gram(features):
    """Channel products, mean over space: (batch, channels, channels)."""
    rows = _rows(features)
    space = ops.cast(ops.shape(rows)[1], rows.dtype)
    return ops.matmul(ops.transpose(rows, (0, 2, 1)), rows) / space


def attention(features):
    """Energy over channels at each place, at unit length: (batch, space)."""
    return _normalized(ops.sum(ops.square(_rows(features)), axis=-1))


def similarity(features):
    """Inner products between the examples of a batch, rows at unit length."""
    flat = ops.reshape(features, (ops.shape(features)[0], -1))
    return _normalized(ops.matmul(flat, ops.transpose(flat)))


DESCRIPTORS = {
    "gap": gap,
    "gram": gram,
    "attention": attention,
    "similarity": similarity,
}
