from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_flag
from kerastl.training.transfer_loss import TransferLoss
from kerastl.types import TapWeights
from kerastl.types import Tensor

# Least share of a summary's energy that is taken to be left where its parts
# cancel out.
_LEAST_LEFT = 0.05

# A share of 1 is missed where the student gives nothing, of 4 where it gives
# the opposite. What misses more is not on its way to the source anyway.
_LARGEST = 10.0
# Below it float32 has no squares.
_TINY = 1e-37


class FeatureDistance(TransferLoss):
    """Base of the losses that are a squared distance at every tap.

    A subclass may override `describe`, which turns a feature map into what
    is compared. Everything is computed in float32.

    Args:
        weight: As in `TransferLoss`.
        taps: As in `TransferLoss`.
        tap_weights: As in `TransferLoss`.
        paper_scaling: With `False` the mean over all elements, which does
            not depend on resolution or width. With `True` the sum over all
            axes but the batch, then the mean over the batch.
        relative: Whether to divide by the mean square of the source's side,
            so that the distance is the share of it that is missed. Two things
            keep it safe in every network. A summary may cancel out (the mean
            over space of a linear layer's output is almost zero where its
            values are large), and a share of almost nothing is huge: the
            mean square counts as no less than a twentieth of what it would be
            if all features were positive. And beyond a share of 10, where a
            training that takes too long steps arrives, the term grows with
            the logarithm only. A tap at which the source gives only zeros
            counts 0.
        name: As in `TransferLoss`.

    Raises:
        ValueError: If both kinds of scaling are asked for.
    """

    def __init__(
        self,
        weight: float = 1.0,
        taps: Sequence[str] | None = None,
        tap_weights: TapWeights | None = None,
        paper_scaling: bool = False,
        relative: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(weight, taps, tap_weights, name)
        if paper_scaling and relative:
            raise ValueError(
                "`paper_scaling` sums over a tap and `relative` divides by "
                "its mean square: choose one. Received: paper_scaling=True, "
                "relative=True"
            )
        self.paper_scaling = checked_flag("paper_scaling", paper_scaling)
        self.relative = checked_flag("relative", relative)

    def describe(self, features: Tensor) -> Tensor:
        """What is compared, from float32 features."""
        return features

    def call(
        self, student: dict[str, Tensor], source: dict[str, Tensor]
    ) -> Tensor:
        return sum(
            self.tap_weight(tap)
            * self._distance(tap, student[tap], source[tap])
            for tap in student
        )

    def _distance(self, tap, student, source):
        student, source = (
            ops.cast(features, "float32") for features in (student, source)
        )
        described = self.describe(source)
        squared = ops.square(self.describe(student) - described)
        if self.paper_scaling:
            batch = ops.cast(ops.shape(squared)[0], "float32")
            return ops.sum(squared) / batch
        distance = ops.mean(squared)
        if self.relative:
            distance = missed_share(distance, self._energy(source, described))
        return distance

    def _energy(self, source, described):
        """The mean square of what is compared, of which a share is missed."""
        energy = ops.mean(ops.square(described))
        if described is source:
            return energy
        upright = ops.mean(ops.square(self.describe(ops.abs(source))))
        return ops.maximum(energy, _LEAST_LEFT * upright)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "paper_scaling": self.paper_scaling,
            "relative": self.relative,
        }


def missed_share(distance, energy):
    """`distance / energy` as a term to minimize, whatever the energy is.

    Up to a share of 10 it is the quotient, exactly. From there on it grows
    with the logarithm of the distance, as steeply as it came: the gradient
    then falls as the distance rises, at most `20 / sqrt(10 energy)` in the
    root mean square, so that steps that are too long do not grow from one to
    the next. Where the energy is zero there is nothing to miss a share of,
    and the term is 0, with zero gradient.

    Nothing in it has a unit: distance and energy times any factor give the
    same share.

    Args:
        distance: Mean squared distance to the source, a float32 scalar.
        energy: Mean square of what the source has, a float32 scalar.
    """
    known = energy > _TINY
    energy = ops.where(known, energy, 1.0)
    limit = _LARGEST * energy
    share = ops.minimum(distance, limit) / energy
    # A difference of logarithms: the quotient may be too large for a float.
    share += _LARGEST * (ops.log(ops.maximum(distance, limit)) - ops.log(limit))
    return ops.where(known, share, 0.0)


@keras.saving.register_keras_serializable(package="kerastl")
class PixelLevel(FeatureDistance):
    """Pixel-level loss of KTFT: keep the source's features in detail.

    The sum over the taps of the mean squared difference between the
    student's and the source's feature maps, mean over batch, channels and
    space:

        sum_l  1 / (B C_l H_l W_l) * || F_student^l - F_source^l ||^2

    The formula is assumed: no source shows the paper's own. "Pixel-level"
    and "detailed knowledge" read as an element-wise distance of the maps,
    which also asks for the aliased detail that the blur removed;
    `GlobalLevel` holds against it.

    Args:
        weight: Factor of the term in the total loss. No published value is
            known; start at 1 and search 0.1, 1, 10.
        taps: Names of the taps to compare; `None` takes all of the tuner's.
        tap_weights: Factor of each tap, a dict by name or a list in the
            order of `taps`.
        paper_scaling: `True` sums over channels and space and takes the
            mean over the batch only, for weights published for sums: each
            tap then counts `C_l H_l W_l` times as much.
        relative: `True` divides each tap's distance by the mean square of
            the source's features there: the term is then a sum of relative
            errors. Taps with large values do not drown the others, and the
            same weight means the same in every architecture. Beyond a share
            of 10 a tap's distance grows with the logarithm only, so that
            steps that are too long do not explode; a tap at which the source
            gives only zeros counts 0.
        name: Name in the progress bar and in `History`.

    Raises:
        ValueError: If both kinds of scaling are asked for.

    Example:

    ```python
    tuner.compile(
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PixelLevel(1.0)],
    )
    ```

    Reference:
        Suzuki et al., "Knowledge Transferred Fine-Tuning for Anti-Aliased
        Convolutional Neural Network in Data-Limited Situation", ICIP 2021;
        extended in IEEE Access 10, 2022.
    """
