"""Images that are no numbers must not go unnoticed."""

import keras
import numpy as np
from keras import ops


def nan_unless_finite(images):
    """0, or NaN if any value of `images` is NaN or infinite.

    Added to a loss it makes broken images show. A ReLU or a maximum turns NaN
    into a number, on some devices, and the loss would look like any other.

    Args:
        images: A tensor, or a structure of tensors; whole numbers are finite.

    Returns:
        A float32 scalar.
    """
    total = ops.zeros((), "float32")
    for values in keras.tree.flatten(images):
        if keras.backend.is_float_dtype(values.dtype):
            finite = ops.all(ops.isfinite(values))
            total = total + ops.where(finite, 0.0, float("nan"))
    return total


def check_finite_images(images):
    """Raises an error if a NumPy array of images holds no numbers somewhere.

    What is not there yet, a dataset or a generator, is not looked at.

    Args:
        images: An array whose first axis counts the images, or a dict or
            list of such, or anything else.

    Raises:
        ValueError: If a value is NaN or infinite.
    """
    arrays = [images]
    if isinstance(images, (dict, list, tuple)):
        arrays = keras.tree.flatten(images)
    for values in arrays:
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
            continue
        # A sum needs no copy; it may also overflow, so that is looked at.
        with np.errstate(over="ignore", invalid="ignore"):
            if not values.size or np.isfinite(values.sum(dtype="float64")):
                continue
        finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        broken = np.flatnonzero(~finite)
        if len(broken):
            raise ValueError(
                "The images hold values that are NaN or infinite, from which "
                "nothing can be learned. Look at how they are read and "
                "scaled: a division by a range of zero makes NaN. "
                f"Received: {len(broken)} such images of {len(values)}, the "
                f"first at index {broken[0]}"
            )
