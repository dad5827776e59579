from collections.abc import Sequence
from typing import Any

from keras import ops

from kerastl.losses.missed_share import missed_share
from kerastl.training.transfer_loss import TransferLoss
from kerastl.types import TapWeights
from kerastl.types import Tensor

# Least share of a summary's energy that is taken to be left where its parts
# cancel out.
_LEAST_LEFT = 0.05


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
        self.paper_scaling = bool(paper_scaling)
        self.relative = bool(relative)

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
