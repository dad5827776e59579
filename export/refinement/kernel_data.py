"""What flows into one kernel, in float and in 8 bits."""

import numpy as np


class KernelData:
    """Rows that a kernel multiplies, of both streams.

    Args:
        matrix: `KernelMatrix` of the kernel.
        batches: Pairs of float and 8-bit batches of what it reads.
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
        for index, (exact, low) in enumerate(batches):
            rows = matrix.windows(np.asarray(exact), index)
            low_rows = matrix.windows(np.asarray(low), index)
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

    def judge(self, weights, changed):
        """How the outputs of held-out images change with the weights.

        Args:
            weights: `(groups, outputs, inputs)` of the float network.
            changed: Those that take their place.

        Returns:
            Mean and variance of the error, and the mean square of the
            outputs, each `(groups, outputs)`. The mean is that of both, of
            the weights and of the inputs, and the variance of the weights'.
        """
        difference = (weights - changed).transpose(0, 2, 1)
        known = weights.transpose(0, 2, 1).astype("float32")
        difference = difference.astype("float32")
        mean, square, power, offset, number = 0.0, 0.0, 0.0, 0.0, 0
        for rows, low_rows in self.held:
            errors = (low_rows @ difference).astype("float64")
            outputs = (low_rows @ known).astype("float64")
            mean += errors.sum(1)
            square += np.square(errors).sum(1)
            power += np.square(outputs).sum(1)
            offset += (rows - low_rows).sum(1, dtype="float64")
            number += rows.shape[1]
        mean, square, power = mean / number, square / number, power / number
        variance = np.maximum(square - np.square(mean), 0)
        mean = mean + np.einsum("goi,gi->go", weights, offset / number)
        return mean, variance, power
