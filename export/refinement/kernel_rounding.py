"""Chooses the integers of a kernel together: data, levels, rounding."""

import numpy as np

LARGEST = 127
_BLOCK = 128
# Halving what is smaller saves nothing.
_SMALL_TRIANGLE = 64
# Of the mean of the diagonal: makes a singular matrix regular. The moments are
# sums of float32 products, less those of the means: where the least is not
# enough to cover what they are off, the next is taken.
_DAMPING = (0.01, 0.1, 1.0, 10.0)


def calibrated_rounding(levels, moments, fixed, largest=LARGEST):
    """Rounds level by level, and lets the others make up for each error.

    Args:
        levels: `(groups, outputs, inputs)`, the weights in units of their
            channel's scale.
        moments: `(groups, inputs, inputs)`, the second moments of what the
            kernel reads.
        fixed: Mask of levels that are rounded as they are.
        largest: The largest level.

    Returns:
        Whole numbers from `-largest` to `largest`, float64.

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
    wanted = np.clip(np.rint(levels), -largest, largest)
    rounded = np.empty_like(levels)
    size = levels.shape[-1]
    for start in range(0, size, _BLOCK):
        stop = min(start + _BLOCK, size)
        errors = np.empty_like(levels[:, :, start:stop])
        for column in range(start, stop):
            whole = np.clip(np.rint(levels[:, :, column]), -largest, largest)
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
    return _triangle_inverse(factor)


def _triangle_inverse(upper):
    """The inverse of upper triangles, by halves: a sixth of the work."""
    size = upper.shape[-1]
    if size <= _SMALL_TRIANGLE:
        return np.triu(np.linalg.inv(upper))
    half = size // 2
    inverse = np.zeros_like(upper)
    first = _triangle_inverse(upper[:, :half, :half])
    last = _triangle_inverse(upper[:, half:, half:])
    inverse[:, :half, :half] = first
    inverse[:, half:, half:] = last
    inverse[:, :half, half:] = -first @ upper[:, :half, half:] @ last
    return inverse


class KernelData:
    """Rows that a kernel multiplies, of both streams.

    Args:
        matrix: `KernelMatrix` of the kernel.
        batches: Pairs of float and 8-bit rows, see `Streams.windows`.
        num_fit: How many of the batches it may be fitted to. The others
            judge.
        needs_moments: Whether the second moments are wanted.
        centred: Whether they are those around the mean.

    Attributes:
        shift: Mean input of the float stream, less that of the other, of the
            images that are fitted to: `(groups, inputs)`.
        mean: Mean input of the 8-bit stream.
        moments: `(groups, inputs, inputs)` of the 8-bit stream.
        held: Pairs of rows of the images that judge.
    """

    def __init__(self, matrix, batches, num_fit, needs_moments, centred):
        self.held = []
        shape = matrix.num_groups, matrix.num_inputs
        total, total_low, number = np.zeros(shape), np.zeros(shape), 0
        moments = None
        if needs_moments:
            moments = np.zeros((*shape, matrix.num_inputs))
        for index, (rows, low_rows) in enumerate(batches):
            if index >= num_fit:
                self.held.append((rows, low_rows))
                continue
            total += rows.sum(1, dtype="float64")
            total_low += low_rows.sum(1, dtype="float64")
            number += rows.shape[1]
            if moments is not None:
                moments += low_rows.transpose(0, 2, 1) @ low_rows
        self.mean = total_low / number
        self.shift = total / number - self.mean
        if moments is not None:
            moments /= number
            if centred:
                moments -= self.mean[:, :, None] * self.mean[:, None, :]
        self.moments = moments

    def is_finite(self):
        return bool(np.isfinite(self.mean + self.shift).all())

    def mean_error(self, weights, changed):
        """What the outputs lose on average, of the images fitted to.

        Args:
            weights: `(groups, outputs, inputs)` of the float network.
            changed: Those that take their place.
        """
        exact = np.einsum("goi,gi->go", weights, self.mean + self.shift)
        return exact - np.einsum("goi,gi->go", changed, self.mean)

    def judge(self, weights, changed):
        """How the outputs of held-out images change with the weights.

        Args:
            weights: As in `mean_error`.
            changed: As in `mean_error`.

        Returns:
            Mean and variance of the error, `(groups, outputs)`. The mean is
            that of both, of the weights and of the inputs, and the variance
            of the weights'.
        """
        difference = (weights - changed).transpose(0, 2, 1).astype("float32")
        mean, square, offset, number = 0.0, 0.0, 0.0, 0
        for rows, low_rows in self.held:
            errors = low_rows @ difference
            mean += errors.sum(1, dtype="float64")
            square += np.square(errors).sum(1, dtype="float64")
            offset += (rows - low_rows).sum(1, dtype="float64")
            number += rows.shape[1]
        mean, square = mean / number, square / number
        variance = np.maximum(square - np.square(mean), 0)
        mean = mean + np.einsum("goi,gi->go", weights, offset / number)
        return mean, variance

    def power(self, weights):
        """Mean square of the outputs for held-out images, of all channels."""
        weights = weights.transpose(0, 2, 1).astype("float32")
        total, number = 0.0, 0
        for _, low_rows in self.held:
            total += float(np.square(low_rows @ weights).sum(dtype="float64"))
            number += low_rows.shape[1]
        return total / number or 1.0


class KernelGrid:
    """Levels around zero, of one channel or of the whole kernel.

    A converter sets a scale so that the largest weight is the largest level.
    That weight stays as it is, and so does every zero, so that pruned weights
    stay pruned.

    Args:
        weights: `(groups, outputs, inputs)`.
        factors: What each output is multiplied with in the same kernel of
            the file, `(groups, outputs)`: BatchNormalization is folded in.
        per_channel: Whether each output has a scale of its own.
        largest: The largest level.

    Attributes:
        scales: `(groups, outputs)`, distance of two levels.
        fixed: Mask of the weights that are rounded as they are.
    """

    def __init__(self, weights, factors, per_channel=True, largest=LARGEST):
        self._weights = weights
        self._largest = largest
        sizes = np.abs(weights)
        highest = sizes.max(-1)
        scales = highest / largest
        if not per_channel:
            folded = highest * np.abs(factors)
            known = factors != 0
            scales[known] = folded.max() / largest / np.abs(factors[known])
            sizes = sizes * np.abs(factors)[..., None]
            highest = np.full_like(highest, folded.max())
        self.scales = np.where(scales > 0, scales, 1.0)
        self.fixed = (sizes >= highest[..., None]) | (weights == 0)

    def levels(self):
        """The weights in units of their scale."""
        return self._weights / self.scales[..., None]

    def nearest(self):
        """The levels as a converter rounds them."""
        return np.clip(np.rint(self.levels()), -self._largest, self._largest)

    def weights(self, levels):
        """From levels to weights."""
        return levels * self.scales[..., None]
