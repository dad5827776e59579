"""A factor that rises from 0 to 1 over the first steps."""

import keras
from keras import ops


class WarmUp(keras.layers.Layer):
    """Counts the training steps and returns their share of the warm-up.

    Args:
        steps: Steps until the factor is 1; 0 for no warm-up.
    """

    def __init__(self, steps):
        super().__init__(name="warm_up", dtype="float32")
        self.steps = steps
        self.seen = self.add_weight(
            name="seen",
            shape=(),
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def factor(self):
        """The factor of this step; the next call is for the next step."""
        factor = ops.minimum(self.seen / max(self.steps, 1), 1.0)
        self.seen.assign(self.seen + 1.0)
        return factor if self.steps else 1.0
