from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import Self

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerastl.arguments import as_names
from kerastl.losses.feature_distance import FeatureDistance
from kerastl.losses.feature_distance import missed_share
from kerastl.types import TapWeights

if TYPE_CHECKING:
    pass


@keras.saving.register_keras_serializable(package="kerastl")
class DELTA(FeatureDistance):
    """DELTA: keep the feature maps that matter near the source's.

        1/2 * mean_b sum_c C * W_c / (H * W) * ||student_bc - source_bc||^2

    summed over the taps, where `W` is the attention of a tap's `C` channels,
    which sums to 1: how much the target loss rises when a channel of the
    frozen source is taken away. `kerastl.compute_channel_attention` measures
    it. The attention is stored with the loss and comes back with a saved
    tuner. Without attention every channel counts the same, `W_c = 1 / C`:
    plain regularization of the feature maps.

    The published code sums over the batch instead of averaging, so that its
    weight of 0.01 belongs to a batch of 64: here that is a weight of 0.64, or
    0.01 with `paper_scaling`. It belongs to a ResNet-101 at 224 px as well: the
    distance grows with the number of channels and with the square of what
    they hold, and in a network of another kind the same weight may drown the
    labels. With `relative` a weight means the same in every network.

    The authors compare bare convolution outputs, in front of BatchNormalization
    and of the sum of a residual block: `kerastl.surgery.convolution_taps`
    finds them. They must be among the taps of the tuner. Everything is
    computed in float32.

    The published objective has plain L2 on the head beside it, 0.01 / 2 times
    its squares: attach `kerastl.regularizers.L2(0.0, 0.01)`. The authors count
    the head's biases too; this leaves them free, as every penalty here does:
    pulled to zero, they could not follow how frequent a class is.

    Args:
        weight: As in `TransferLoss`.
        attention: Dict from tap name to an array with one non-negative number
            for each channel, which sum to 1, or `None`.
        taps: As in `TransferLoss`. Defaults to those of the attention.
        tap_weights: As in `TransferLoss`.
        paper_scaling: Whether to sum over the batch (of one replica), as the
            authors' code does, and without attention over the positions too.
        relative: Whether to divide a tap's distance by its number of channels
            and by the mean square of the source's features there: what is left
            is half the share of them that is missed. Beyond a share of 10 it
            grows with the logarithm only, and a tap at which the source gives
            only zeros counts 0. Ours, not the authors'.
        name: As in `TransferLoss`.

    Raises:
        ValueError: If both kinds of scaling are asked for, if the attention
            of a tap does not sum to 1 or is missing, or, in training, if its
            length is not the number of channels.

    Example:

    ```python
    taps = kerastl.surgery.convolution_taps(source)
    head = kerastl.train_head(source, (images, labels))
    attention = kerastl.compute_channel_attention(
        source, head, (images, labels), taps
    )
    tuner = kerastl.FineTuner(student, source, taps=taps)
    tuner.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.DELTA(0.64, attention)],
    )
    ```

    Reference:
        Li et al., "DELTA: Deep Learning Transfer using Feature Map with
        Attention for Convolutional Networks", ICLR 2019; scaling as in the
        authors' code.
    """

    def __init__(
        self,
        weight: float = 0.64,
        attention: Mapping[str, ArrayLike] | None = None,
        taps: Sequence[str] | None = None,
        tap_weights: TapWeights | None = None,
        paper_scaling: bool = False,
        relative: bool = False,
        name: str | None = None,
    ) -> None:
        arrays = {}
        if attention is not None:
            arrays = {
                tap: np.asarray(values, "float32")
                for tap, values in attention.items()
            }
            taps = list(arrays) if taps is None else as_names(taps)
            _check(arrays, taps)
        super().__init__(
            weight, taps, tap_weights, paper_scaling, relative, name
        )
        self._layer = None
        if attention is not None:
            self._layer = keras.layers.Layer(
                trainable=False, dtype="float32", name="attention"
            )
            self._weights = {
                tap: self._layer.add_weight(
                    shape=arrays[tap].shape, trainable=False, name="channels"
                )
                for tap in self.taps or ()
            }
            self._layer.built = True
            for tap, variable in self._weights.items():
                variable.assign(arrays[tap])

    @property
    def attention(self) -> dict[str, np.ndarray] | None:
        """Dict from tap name to the channels' weights, or `None`."""
        if self._layer is None:
            return None
        return {
            tap: ops.convert_to_numpy(variable)
            for tap, variable in self._weights.items()
        }

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return [] if self._layer is None else [self._layer]

    def _distance(self, tap, student, source):
        student, source = (
            ops.cast(features, "float32") for features in (student, source)
        )
        squared = ops.square(student - source)
        axes = list(range(1, len(squared.shape)))
        first = keras.config.image_data_format() == "channels_first"
        axes.pop(0 if first else -1)
        if self._layer is None and self.paper_scaling:
            distances = ops.sum(squared, axis=axes)
        else:
            distances = ops.mean(squared, axis=axes) if axes else squared
        channels = distances.shape[-1]
        if self._layer is not None:
            weights = self._weights[tap]
            if weights.shape[0] != channels:
                raise ValueError(
                    "The attention must have one number for each channel of "
                    f"its tap. Received: {weights.shape[0]} numbers for "
                    f"{tap!r} with {channels} channels"
                )
            distances = distances * (channels * weights)
        total = 0.5 * ops.sum(distances)
        if self.paper_scaling:
            return total
        total = total / ops.cast(ops.shape(distances)[0], "float32")
        if self.relative:
            # Of half the squares, half the share.
            energy = self._energy(source, source)
            total = missed_share(2 * total / channels, energy) / 2
        return total

    def get_config(self) -> dict[str, Any]:
        # The attention itself is in the layer's weights.
        sizes = self._layer and {
            tap: int(variable.shape[0])
            for tap, variable in self._weights.items()
        }
        return {
            **super().get_config(),
            "attention_sizes": sizes,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        sizes = config.pop("attention_sizes", None)
        attention = sizes and {
            tap: np.full(size, 1 / size) for tap, size in sizes.items()
        }
        return cls(attention=attention, **config)


def _check(attention, taps):
    missing = [tap for tap in taps if tap not in attention]
    if missing:
        raise ValueError(
            "The attention must be given for every tap of the loss. "
            f"Received: taps={taps}, attention for {list(attention)}"
        )
    for tap, values in attention.items():
        if (
            values.ndim != 1
            or not np.all(values >= 0)
            or not np.isclose(values.sum(), 1, atol=1e-3)
        ):
            raise ValueError(
                "The attention of a tap is one non-negative number for each "
                "channel, and they sum to 1, as "
                "`kerastl.compute_channel_attention` gives them. "
                f"Received: attention[{tap!r}] of shape {values.shape} with "
                f"the sum {values.sum()}"
            )
