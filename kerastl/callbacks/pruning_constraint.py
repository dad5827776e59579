import keras
import numpy as np
from keras import ops

from kerastl.callbacks.held_constraint import HeldConstraint


class PruningConstraint(HeldConstraint):
    """Keeps pruned weights at zero, whatever the optimizer does.

    Args:
        mask: boolean array, `True` where a weight is kept.
    """

    def __init__(self, mask):
        super().__init__()
        self.mask = keras.Variable(
            mask, dtype="bool", trainable=False, name="pruning_mask"
        )

    @classmethod
    def of_zeros(cls, weights):
        """The constraint that keeps zeros; `None` if all or none are."""
        mask = weights != 0
        if np.all(mask) or not np.any(mask):
            return None
        return cls(mask)

    def project(self, w):
        w = ops.convert_to_tensor(w)
        mask = ops.convert_to_tensor(self.mask)
        return ops.where(mask, w, ops.zeros_like(w))
