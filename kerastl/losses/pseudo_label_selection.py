"""Which pseudo-labels are believed.

From which confidence on, class by class; with their classes as frequent as
they should be; and how many there were since the start.
"""

import keras
from keras import ops

# As in the code of USB.
_EPSILON = 1e-6


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
        self.learned = _RunningMean((classes,), 0.0, momentum, "learned")
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
        self.confidence = _RunningMean((), start, momentum, "confidence")
        self.shares = _RunningMean((classes,), start, momentum, "shares")
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
        self.target = _RunningMean(
            (classes,), 1.0 / classes, momentum, "target"
        )
        self.mean = _RunningMean((classes,), None, momentum, "mean")
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


class _RunningMean(keras.layers.Layer):
    """An exponential moving average of what the batches give.

    Over several replicas it is that of their mean.

    Args:
        shape: Shape of what is averaged.
        start: The value before the first step, or `None`: the first batch's.
        momentum: Share of the average that a step keeps.
        name: Name of the layer.
    """

    def __init__(self, shape, start, momentum, name):
        super().__init__(name=name, dtype="float32")
        self.momentum = momentum
        options = {
            "trainable": False,
            "autocast": False,
            "aggregation": "mean",
        }
        self.value = self.add_weight(
            name="value",
            shape=shape,
            initializer=keras.initializers.Constant(start or 0.0),
            **options,
        )
        self.begun = None
        if start is None:
            self.begun = self.add_weight(
                name="begun", shape=(), initializer="zeros", **options
            )
        self.built = True

    def move(self, batch):
        """Takes in what a batch gives; returns the new average."""
        momentum = self.momentum
        if self.begun is not None:
            momentum = momentum * self.begun
            self.begun.assign(ops.ones(()))
        moved = ops.stop_gradient(
            momentum * self.value + (1.0 - momentum) * batch
        )
        self.value.assign(moved)
        return moved


class LabelCounts(keras.layers.Layer):
    """Counts over a whole training; what reads them takes differences.

    Args:
        classes: Number of classes.
        replicas: Replicas that train together: each sees other images.
    """

    def __init__(self, classes, replicas=1):
        super().__init__(name="label_counts", dtype="float32")
        self.replicas = replicas
        # The images that were looked at stand behind the classes.
        self.counts = self.add_weight(
            name="counts",
            shape=(classes + 1,),
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="mean",
        )
        self.built = True

    def add(self, believed):
        """Counts a batch.

        Args:
            believed: float32 `(batch, classes)`: one-hot, and zeros for the
                images whose label is in doubt.
        """
        looked_at = ops.cast(ops.shape(believed)[0], "float32")
        new = ops.append(ops.sum(believed, axis=0), looked_at)
        # The mean over the replicas becomes their sum.
        self.counts.assign(self.counts + self.replicas * new)

    def read(self):
        """The counts of the classes, as an array, and of all images."""
        counts = ops.convert_to_numpy(self.counts).astype("int64")
        return counts[:-1], int(counts[-1])
