"""How many pseudo-labels of each class were believed, since the start."""

import keras
from keras import ops


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
