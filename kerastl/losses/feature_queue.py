"""The features of the last examples, first in, first out."""

import keras
from keras import ops


class FeatureQueue(keras.layers.Layer):
    """Keeps the newest rows, in weights, so that they are saved.

    With several replicas the rows are those of the first.

    Args:
        size: How many rows are kept.
        units: Width of a row.
        name: Name of the layer.
    """

    def __init__(self, size, units, name):
        super().__init__(name=name, dtype="float32")
        self.size = size
        options = {
            "initializer": "zeros",
            "trainable": False,
            "autocast": False,
            "aggregation": "only_first_replica",
        }
        self.rows = self.add_weight(name="rows", shape=(size, units), **options)
        self.filled = self.add_weight(name="filled", shape=(size,), **options)
        self.built = True

    def push(self, rows, keep):
        """Puts rows behind the stored ones, and stores the last of them.

        Args:
            rows: float32 `(batch, units)`.
            keep: 1 for the rows to put in, 0 for the others, `(batch,)`.

        Returns:
            All rows `(size + batch, units)`, the oldest first, and a mask of
            those that are in the queue now. The stored ones have no gradient.
        """
        rows = ops.concatenate([ops.convert_to_tensor(self.rows), rows])
        keep = ops.concatenate([ops.convert_to_tensor(self.filled), keep])
        behind = ops.sum(keep) - ops.cumsum(keep)
        mask = keep * ops.cast(behind < self.size, "float32")
        self._store(ops.stop_gradient(rows), mask)
        return rows, mask

    def _store(self, rows, mask):
        places = ops.arange(ops.shape(mask)[0], dtype="float32")
        # Distinct keys, so that the order is the same everywhere.
        behind = (1.0 - mask) * ops.cast(ops.shape(mask)[0], "float32")
        order = ops.argsort(places + behind)[: self.size]
        self.rows.assign(ops.take(rows, order, axis=0))
        self.filled.assign(ops.take(mask, order, axis=0))
