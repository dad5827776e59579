"""Maximum mean discrepancy of two sets of features."""

from keras import ops


def mmd(first, second, first_mask=None, second_mask=None):
    """The squared maximum mean discrepancy, 0 for a set and itself.

        mean k(a, a') + mean k(b, b') - 2 mean k(a, b)
        k(a, b) = exp(- mean_d (a_d - b_d)^2)

    The means are over all pairs, an element with itself included.

    Args:
        first: float32 `(n, units)`.
        second: float32 `(m, units)`.
        first_mask: 1 for the rows of `first` that count, 0 for others, `(n,)`.
            `None` counts all.
        second_mask: The same for `second`.

    Returns:
        A scalar; 0 where one of the sets is empty.
    """
    pairs = [(first, first_mask), (second, second_mask)]
    pairs = [
        (rows, ops.ones_like(rows[:, 0]) if mask is None else mask)
        for rows, mask in pairs
    ]
    a, b = pairs
    value = _mean(*a, *a) + _mean(*b, *b) - 2 * _mean(*a, *b)
    filled = ops.sign(ops.sum(a[1])) * ops.sign(ops.sum(b[1]))
    return filled * value


def _mean(first, first_mask, second, second_mask):
    squares = (
        ops.sum(ops.square(first), axis=1)[:, None]
        + ops.sum(ops.square(second), axis=1)[None]
        - 2 * ops.matmul(first, ops.transpose(second))
    )
    kernel = ops.exp(-ops.maximum(squares, 0.0) / first.shape[1])
    counts = first_mask[:, None] * second_mask[None]
    return ops.sum(counts * kernel) / ops.maximum(ops.sum(counts), 1.0)
