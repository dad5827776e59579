"""Rounds a kernel so that its outputs change least."""

import numpy as np

_LARGEST = 127
_BLOCK = 128
# Of the mean of the diagonal: makes a singular matrix regular.
_DAMPING = 0.01


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
    """Upper triangular `U` with `U.T @ U` the inverse of damped moments."""
    size = moments.shape[-1]
    mean = np.einsum("gii->g", moments) / size
    mean = np.where(mean > 0, mean, 1.0)
    damped = moments + _DAMPING * mean[:, None, None] * np.eye(size)
    inverse = np.linalg.inv(damped)
    inverse = (inverse + inverse.transpose(0, 2, 1)) / 2
    return np.linalg.cholesky(inverse).transpose(0, 2, 1)
