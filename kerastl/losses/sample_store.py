"""Numbers that are kept for every training example."""

import keras
import numpy as np
from keras import ops


class SampleStore(keras.layers.Layer):
    """One row of numbers an example, in a weight, so that it is saved.

    Args:
        num_samples: Number of training examples.
        width: Numbers of an example.
        name: Name of the layer.
        replicas: Replicas that train together: each sees other examples.
    """

    def __init__(self, num_samples, width, name, replicas=1):
        super().__init__(name=name, dtype="float32")
        self.replicas = replicas
        self.values = self.add_weight(
            name="values",
            shape=(num_samples, width),
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="mean",
        )
        self.built = True

    def read(self, index):
        """The rows of the examples at `index`, `(batch, width)`."""
        return ops.take(
            ops.convert_to_tensor(self.values), _places(index), axis=0
        )

    def write(self, index, rows):
        """Replaces the rows of the examples at `index`."""
        old = ops.convert_to_tensor(self.values)
        rows = ops.stop_gradient(ops.cast(rows, "float32"))
        new = ops.scatter_update(old, _places(index)[:, None], rows)
        if self.replicas > 1:
            # The mean over the replicas is what all of them changed then.
            new = old + self.replicas * (new - old)
        self.values.assign(new)

    def to_numpy(self):
        """All rows, as an array of its own."""
        return np.array(ops.convert_to_numpy(self.values))


def replicas_of(tuner):
    """Replicas that train a tuner together."""
    strategy = getattr(tuner, "distribute_strategy", None)
    return getattr(strategy, "num_replicas_in_sync", 1)


def _places(index):
    return ops.reshape(ops.cast(index, "int32"), (-1,))
