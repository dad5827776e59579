"""The levels that a converter finds for a kernel."""

import numpy as np

LARGEST = 127


class KernelGrid:
    """255 levels around zero, of one channel or of the whole kernel.

    A converter sets a scale so that the largest weight is the largest level.
    That weight stays as it is, and so does every zero, so that pruned weights
    stay pruned.

    Args:
        weights: `(groups, outputs, inputs)`.
        factors: What each output is multiplied with in the same kernel of
            the file, `(groups, outputs)`: BatchNormalization is folded in.
        per_channel: Whether each output has a scale of its own.

    Attributes:
        scales: `(groups, outputs)`, distance of two levels.
        fixed: Mask of the weights that are rounded as they are.
    """

    def __init__(self, weights, factors, per_channel=True):
        self._weights = weights
        sizes = np.abs(weights)
        largest = sizes.max(-1)
        scales = largest / LARGEST
        if not per_channel:
            folded = largest * np.abs(factors)
            known = factors != 0
            scales[known] = folded.max() / LARGEST / np.abs(factors[known])
            sizes = sizes * np.abs(factors)[..., None]
            largest = np.full_like(largest, folded.max())
        self.scales = np.where(scales > 0, scales, 1.0)
        self.fixed = (sizes >= largest[..., None]) | (weights == 0)

    def levels(self):
        """The weights in units of their scale."""
        return self._weights / self.scales[..., None]

    def nearest(self):
        """The levels as a converter rounds them."""
        return np.clip(np.rint(self.levels()), -LARGEST, LARGEST)

    def weights(self, levels):
        """From levels to weights."""
        return levels * self.scales[..., None]
