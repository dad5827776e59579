"""The inputs of a batch, alone or in a dict with more fields."""

import keras
import numpy as np


def images_of(batch):
    """The images of a batch in any of the forms that `fit` takes."""
    if isinstance(batch, (tuple, list)):
        batch = batch[0]
    if isinstance(batch, dict):
        batch = batch["images"]
    return batch


def comes_in_batches(x):
    """Whether `fit` takes the data as it comes, and shuffles nothing of it."""
    if isinstance(x, keras.utils.PyDataset):
        # One with a length has batches that Keras puts in another order.
        return x.num_batches is None
    arrays = isinstance(x, (dict, list, tuple)) or hasattr(x, "shape")
    return x is not None and not arrays


def joined(x, name, value):
    """The inputs of a batch with one more field."""
    x = x if isinstance(x, dict) else {"images": x}
    return {**x, name: value}


def readable(batch):
    """A batch whose arrays the layers take, whatever backend runs them.

    `tf.data` gives tensors of TensorFlow on every backend, and only its own
    layers take those. Arrays, and the tensors of the backend itself, stay as
    they are.
    """
    return keras.tree.map_structure(_readable, batch)


def _readable(values):
    known = isinstance(values, np.ndarray) or keras.ops.is_tensor(values)
    if known or not hasattr(values, "__array__"):
        return values
    return np.asarray(values)
