from keras import ops


def squared_distance(student, source, paper_scaling=False, relative=False):
    """Squared difference of two descriptors, in float32.

    Args:
        student: Tensor, batch first.
        source: Tensor of the same shape.
        paper_scaling: With `False` the mean over all elements, which does
            not depend on resolution or width. With `True` the sum over all
            axes but the batch, then the mean over the batch.
        relative: Whether to divide by the mean square of `source`, so that
            the result is the share of it that is missed.

    Returns:
        A float32 scalar.
    """
    source = ops.cast(source, "float32")
    squared = ops.square(ops.cast(student, "float32") - source)
    if paper_scaling:
        batch = ops.cast(ops.shape(squared)[0], "float32")
        return ops.sum(squared) / batch
    distance = ops.mean(squared)
    if relative:
        distance = distance / (ops.mean(ops.square(source)) + 1e-12)
    return distance


def check_scaling(paper_scaling, relative):
    """Refuses the two ways of scaling a distance at once."""
    if paper_scaling and relative:
        raise ValueError(
            "`paper_scaling` sums over a tap and `relative` divides by its "
            "mean square: choose one. Received: paper_scaling=True, "
            "relative=True"
        )
