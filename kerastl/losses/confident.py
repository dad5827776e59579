"""Which predictions are sure of themselves."""

import math

from keras import ops


def confident(probabilities, threshold):
    """1 where the entropy is at most `threshold` of the largest, else 0.

    Args:
        probabilities: float32 `(batch, classes)`.
        threshold: Share of `log(classes)`, the entropy of not knowing.

    Returns:
        float32 `(batch,)`, without gradient.
    """
    logarithms = ops.log(ops.maximum(probabilities, 1e-12))
    entropy = -ops.sum(probabilities * logarithms, axis=-1)
    largest = math.log(probabilities.shape[-1])
    return ops.stop_gradient(
        ops.cast(entropy <= threshold * largest, "float32")
    )
