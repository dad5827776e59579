"""What flows into one kernel, in float and in 8 bits."""

import numpy as np


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
