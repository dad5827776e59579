"""A factor that rises to 1 over the first steps."""

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
        """The factor of this step; the next call is for the next step.

        It is `1 / steps` in the first step, as in the code of the authors of
        AKC and ARC, and 1 from the last of the `steps` on.
        """
        self.seen.assign(self.seen + 1.0)
        return ops.minimum(self.seen / max(self.steps, 1), 1.0)
