"""The mean of one number an example, as Keras takes it for a loss."""

from keras import ops


def batch_mean(values, sample_weight=None):
    """The mean over the batch of `values`, each at its sample weight.

    Args:
        values: float32 `(batch,)`.
        sample_weight: Weights of the examples, `(batch,)` or `(batch, 1)`, or
            `None`.
    """
    if sample_weight is not None:
        weight = ops.cast(sample_weight, values.dtype)
        values = values * ops.reshape(weight, (-1,))
    return ops.mean(values)
