from keras import ops

from kerastl.losses.transfer_loss import TransferLoss


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
            so that the distance is the share of it that is missed.
        name: As in `TransferLoss`.

    Raises:
        ValueError: If both kinds of scaling are asked for.
    """

    def __init__(
        self,
        weight=1.0,
        taps=None,
        tap_weights=None,
        paper_scaling=False,
        relative=False,
        name=None,
    ):
        super().__init__(weight, taps, tap_weights, name)
        if paper_scaling and relative:
            raise ValueError(
                "`paper_scaling` sums over a tap and `relative` divides by "
                "its mean square: choose one. Received: paper_scaling=True, "
                "relative=True"
            )
        self.paper_scaling = bool(paper_scaling)
        self.relative = bool(relative)

    def describe(self, features):
        """What is compared, from float32 features."""
        return features

    def call(self, student, source):
        return sum(
            self.tap_weight(tap)
            * self._distance(tap, student[tap], source[tap])
            for tap in student
        )

    def _distance(self, tap, student, source):
        student, source = (
            self.describe(ops.cast(features, "float32"))
            for features in (student, source)
        )
        squared = ops.square(student - source)
        if self.paper_scaling:
            batch = ops.cast(ops.shape(squared)[0], "float32")
            return ops.sum(squared) / batch
        distance = ops.mean(squared)
        if self.relative:
            distance = distance / self._mean_square(source)
        return distance

    def _mean_square(self, source):
        return ops.mean(ops.square(source)) + 1e-12

    def get_config(self):
        return {
            **super().get_config(),
            "paper_scaling": self.paper_scaling,
            "relative": self.relative,
        }
