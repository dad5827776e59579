from keras import ops


def squared_distance(student, source, paper_scaling=False):
    """Squared difference of two descriptors, in float32.

    Args:
        student: Tensor, batch first.
        source: Tensor of the same shape.
        paper_scaling: With `False` the mean over all elements, which does
            not depend on resolution or width. With `True` the sum over all
            axes but the batch, then the mean over the batch.

    Returns:
        A float32 scalar.
    """
    difference = ops.cast(student, "float32") - ops.cast(source, "float32")
    squared = ops.square(difference)
    if not paper_scaling:
        return ops.mean(squared)
    batch = ops.cast(ops.shape(squared)[0], "float32")
    return ops.sum(squared) / batch
