"""Pseudo-labels whose classes are as frequent as they should be."""

import keras
from keras import ops

from kerastl.losses.running_mean import RunningMean

# As in the code of USB.
_EPSILON = 1e-6


class DistributionAlignment(keras.layers.Layer):
    """Scales probabilities so that their mean becomes the target.

        q~ = normalize( q * (target + 1e-6) / (mean + 1e-6) )

    where `mean` is the moving average of `q` over the batches, this one
    included, and begins as the first batch's.

    Args:
        classes: Number of classes.
        kind: `"uniform"`, all classes alike, or `"labels"`: the moving average
            of how frequent the classes are among the labelled images, which
            begins uniform.
        momentum: Share of the averages that a step keeps.
    """

    def __init__(self, classes, kind, momentum):
        super().__init__(name="distribution_alignment", dtype="float32")
        self.kind = kind
        self.target = RunningMean((classes,), 1.0 / classes, momentum, "target")
        self.mean = RunningMean((classes,), None, momentum, "mean")
        self.built = True

    def aligned(self, probabilities):
        """The probabilities `(batch, classes)`, aligned by the averages."""
        target, mean = (
            ops.convert_to_tensor(each.value)
            for each in (self.target, self.mean)
        )
        aligned = probabilities * (target + _EPSILON) / (mean + _EPSILON)
        return aligned / ops.sum(aligned, axis=-1, keepdims=True)

    def align(self, probabilities, labels):
        """The same for a batch, which counts already.

        Args:
            probabilities: float32 `(batch, classes)`, without gradient.
            labels: One-hot labels of the labelled images; read by `"labels"`.
        """
        if self.kind == "labels":
            self.target.move(ops.mean(labels, axis=0))
        self.mean.move(ops.mean(probabilities, axis=0))
        return self.aligned(probabilities)
