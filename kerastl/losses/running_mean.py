"""A moving average over the steps of a training, kept in a weight."""

import keras
from keras import ops


class RunningMean(keras.layers.Layer):
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
