"""The last rows of every class, first in, first out."""

import keras
from keras import ops


class ClassQueue(keras.layers.Layer):
    """Keeps the newest rows of every class, in weights.

    With several replicas the rows are those of the first.

    Args:
        classes: Number of classes.
        size: Rows that are kept of a class.
        units: Width of a row.
        name: Name of the layer.
    """

    def __init__(self, classes, size, units, name):
        super().__init__(name=name, dtype="float32")
        self.classes = classes
        self.size = size
        options = {
            "initializer": "zeros",
            "trainable": False,
            "autocast": False,
            "aggregation": "only_first_replica",
        }
        places = classes * size
        self.rows = self.add_weight(
            name="rows", shape=(places, units), **options
        )
        self.filled = self.add_weight(name="filled", shape=(places,), **options)
        self.next = self.add_weight(name="next", shape=(classes,), **options)
        self.built = True

    def read(self, labels):
        """What is stored, for examples of some classes.

        Args:
            labels: One-hot labels `(batch, classes)`.

        Returns:
            The rows `(places, units)`, 1 for the places that are filled
            `(places,)`, and 1 for those of each example's class
            `(batch, places)`.
        """
        filled = ops.convert_to_tensor(self.filled)
        own = ops.repeat(labels, self.size, axis=1) * filled
        return ops.convert_to_tensor(self.rows), filled, own

    def push(self, rows, labels):
        """Stores the rows of a batch.

        Args:
            rows: float32 `(batch, units)`.
            labels: One-hot labels `(batch, classes)`.
        """
        counts = ops.sum(labels, axis=0)
        rank = ops.sum((ops.cumsum(labels, axis=0) - 1) * labels, axis=1)
        # Of more than fit, the last stay: no two rows have one place.
        behind = ops.sum(labels * counts, axis=1) - rank
        fits = ops.cast(behind <= self.size, "float32")
        first = ops.sum(labels * self.next, axis=1)
        place = ops.cast(ops.mod(first + rank, self.size), "int32")
        slots = ops.one_hot(place, self.size, dtype="float32")
        marks = labels[:, :, None] * slots[:, None] * fits[:, None, None]
        marks = ops.reshape(marks, (-1, self.classes * self.size))
        new = ops.sum(marks, axis=0)
        self.rows.assign(
            self.rows * (1 - new)[:, None]
            + ops.matmul(ops.transpose(marks), ops.stop_gradient(rows))
        )
        self.filled.assign(ops.maximum(self.filled, new))
        self.next.assign(ops.mod(self.next + counts, self.size))
