"""Rounds a kernel so that its outputs change least."""

import numpy as np

_LARGEST = 127
_BLOCK = 128
# Of the mean of the diagonal: makes a singular matrix regular. The moments are
# sums of float32 products, less those of the means: where the least is not
# enough to cover what they are off, the next is taken.
_DAMPING = (0.01, 0.1, 1.0, 10.0)


def calibrated_rounding(levels, moments, fixed):
    """Rounds level by level, and lets the others make up for each error.

    Args:
        levels: `(groups, outputs, inputs)`, the weights in units of their
            channel's scale.
        moments: `(groups, inputs, inputs)`, the second moments of what the
            kernel reads.
        fixed: Mask of levels that are rounded as they are.

    Returns:
        Whole numbers from -127 to 127, float64.

    Reference:
        Frantar et al., "GPTQ: Accurate Post-Training Quantization for
        Generative Pre-trained Transformers", ICLR 2023, algorithm 1, with the
        columns of largest moments first.
    """
    diagonal = np.einsum("gii->gi", moments)
    order = np.argsort(-diagonal, axis=-1, kind="stable")
    levels = np.take_along_axis(levels, order[:, None], axis=2)
    fixed = np.take_along_axis(fixed, order[:, None], axis=2)
    moments = np.take_along_axis(moments, order[:, None], axis=2)
    moments = np.take_along_axis(moments, order[:, :, None], axis=1)
    factor = _inverse_factor(moments)
    wanted = np.clip(np.rint(levels), -_LARGEST, _LARGEST)
    rounded = np.empty_like(levels)
    size = levels.shape[-1]
    for start in range(0, size, _BLOCK):
        stop = min(start + _BLOCK, size)
        errors = np.empty_like(levels[:, :, start:stop])
        for column in range(start, stop):
            whole = np.clip(np.rint(levels[:, :, column]), -_LARGEST, _LARGEST)
            whole = np.where(fixed[:, :, column], wanted[:, :, column], whole)
            rounded[:, :, column] = whole
            row = factor[:, column]
            error = (levels[:, :, column] - whole) / row[:, column, None]
            levels[:, :, column:stop] -= (
                error[:, :, None] * row[:, None, column:stop]
            )
            errors[:, :, column - start] = error
        levels[:, :, stop:] -= errors @ factor[:, start:stop, stop:]
    back = np.argsort(order, axis=-1)
    return np.take_along_axis(rounded, back[:, None], axis=2)


def _inverse_factor(moments):
    """Upper triangular `U` with `U.T @ U` the inverse of damped moments.

    The inverse itself is not taken: of a nearly singular matrix it comes out
    with negative eigenvalues. `R @ R.T` is the matrix itself, and `U` the
    inverse of the triangle `R`.
    """
    try:
        return _factor(moments.astype("float64"), _DAMPING[0])
    except np.linalg.LinAlgError:
        return np.concatenate(
            [_some_factor(each) for each in moments[:, None].astype("float64")]
        )


def _some_factor(moments):
    for damping in _DAMPING[1:]:
        try:
            return _factor(moments, damping)
        except np.linalg.LinAlgError:
            continue
    # Nothing but noise: what no input depends on is rounded one by one.
    return np.eye(moments.shape[-1])[None]


def _factor(moments, damping):
    size = moments.shape[-1]
    mean = np.einsum("gii->g", moments) / size
    mean = np.where(mean > 0, mean, 1.0)
    damped = moments + damping * mean[:, None, None] * np.eye(size)
    factor = np.linalg.cholesky(damped[:, ::-1, ::-1])[:, ::-1, ::-1]
    return np.triu(np.linalg.inv(factor))
