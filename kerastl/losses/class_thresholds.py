"""From which confidence on a pseudo-label is believed, class by class."""

import keras
from keras import ops

from kerastl.losses.running_mean import RunningMean


class FixedThreshold(keras.layers.Layer):
    """The same threshold for all classes and steps.

    Args:
        classes: Number of classes.
        threshold: The threshold.
    """

    def __init__(self, classes, threshold):
        super().__init__(name="fixed_threshold", dtype="float32")
        self.classes = classes
        self.threshold = threshold
        self.built = True

    def values(self):
        """The thresholds `(classes,)` as they are."""
        return ops.full((self.classes,), self.threshold, dtype="float32")

    def update(self, probabilities):
        """The thresholds `(classes,)` for a batch, which may move them.

        Args:
            probabilities: float32 `(batch, classes)`, without gradient.
        """
        return self.values()


class CurriculumThreshold(keras.layers.Layer):
    """FlexMatch's: lower for classes of which less has been learned.

    With the share `s(c)` of images that were last predicted as `c` at or above
    the threshold,

        b(c) = s(c) / max( max_c s(c), 1 - sum_c s(c) )
        T(c) = threshold * b(c) / (2 - b(c))

    The paper counts the last prediction of every image. A batch does not say
    which images it has: `s` is the moving average over the batches.

    Args:
        classes: Number of classes.
        threshold: The threshold of the class that is learned best.
        momentum: Share of `s` that a step keeps.
    """

    def __init__(self, classes, threshold, momentum):
        super().__init__(name="curriculum_threshold", dtype="float32")
        self.threshold = threshold
        self.learned = RunningMean((classes,), 0.0, momentum, "learned")
        self.built = True

    def values(self):
        """The thresholds `(classes,)` as they are."""
        learned = ops.convert_to_tensor(self.learned.value)
        most = ops.maximum(ops.max(learned), 1.0 - ops.sum(learned))
        status = learned / most
        return self.threshold * status / (2.0 - status)

    def update(self, probabilities):
        """The thresholds `(classes,)` for a batch, those before it counts."""
        thresholds = self.values()
        sure = ops.cast(
            ops.max(probabilities, axis=-1) >= self.threshold, "float32"
        )
        self.learned.move(
            ops.mean(sure[:, None] * predicted(probabilities), axis=0)
        )
        return thresholds


class AdaptiveThreshold(keras.layers.Layer):
    """FreeMatch's: follows how sure the network is of all, and of a class.

    With `t` and `p`, which begin at `1 / classes` and are moving averages over
    the batches of the mean of the largest probability and of the mean
    probabilities,

        T(c) = t * p(c) / max_c p(c)

    Args:
        classes: Number of classes.
        momentum: Share of the averages that a step keeps.
    """

    def __init__(self, classes, momentum):
        super().__init__(name="adaptive_threshold", dtype="float32")
        start = 1.0 / classes
        self.confidence = RunningMean((), start, momentum, "confidence")
        self.shares = RunningMean((classes,), start, momentum, "shares")
        self.built = True

    def values(self):
        """The thresholds `(classes,)` as they are."""
        shares = ops.convert_to_tensor(self.shares.value)
        return self.confidence.value * shares / ops.max(shares)

    def update(self, probabilities):
        """The thresholds `(classes,)` for a batch, which counts already."""
        self.confidence.move(ops.mean(ops.max(probabilities, axis=-1)))
        self.shares.move(ops.mean(probabilities, axis=0))
        return self.values()


def predicted(probabilities):
    """The likeliest class of each, one-hot `(batch, classes)` in float32."""
    return ops.one_hot(
        ops.argmax(probabilities, axis=-1),
        probabilities.shape[-1],
        dtype="float32",
    )
