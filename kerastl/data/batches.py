"""What is in a batch, in whatever form `fit` takes it.

Its images, alone or in a dict with more fields; its labels, as numbers or as
probabilities of the classes for losses that change them; and what a network
says of it, however many replicas it has.
"""

import math

import keras
import numpy as np
from keras import ops
from keras.src.models.functional import Functional


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


def training_share(x, validation_split=None):
    """What `fit` trains on of arrays of which it holds the end back."""
    if not validation_split:
        return x

    def first(array):
        # Keras cuts at this place.
        return array[: math.floor(len(array) * (1 - validation_split))]

    return keras.tree.map_structure(first, x)


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


def one_hot(y, predictions):
    """Integer labels as one-hot float32 ones; others as they are.

    Args:
        y: Labels, `(batch,)` or `(batch, 1)` integers, or `(batch, classes)`.
        predictions: Predictions `(batch, classes)`, or `(batch, 1)` of two
            classes.
    """
    # One output is the second of two classes.
    classes = max(predictions.shape[-1], 2)
    if len(y.shape) == 2 and y.shape[-1] == classes:
        return ops.cast(y, "float32")
    y = ops.reshape(ops.cast(y, "int32"), (-1,))
    return ops.one_hot(y, classes, dtype="float32")


def class_numbers(labels):
    """The classes of one-hot labels or predictions, or integers, in NumPy.

    Args:
        labels: `(batch, classes)`, or integers `(batch,)` or `(batch, 1)`.
    """
    labels = ops.convert_to_numpy(labels)
    if labels.ndim == 2 and labels.shape[1] > 1:
        labels = labels.argmax(-1)
    return labels.reshape(-1).astype("int32")


def one_hot_loss(loss):
    """The loss for one-hot labels that equals `loss` for integer ones.

    Raises:
        ValueError: If `loss` is not a cross-entropy of classes.
    """
    if isinstance(loss, (dict, list, tuple)) and len(loss) == 1:
        return keras.tree.map_structure(one_hot_loss, loss)
    loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.CategoricalCrossentropy) or (
        loss is keras.losses.categorical_crossentropy
    ):
        return loss
    if loss is keras.losses.sparse_categorical_crossentropy:
        return keras.losses.CategoricalCrossentropy()
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        if loss.ignore_class is None:
            return keras.losses.CategoricalCrossentropy(
                from_logits=loss.from_logits,
                reduction=loss.reduction,
                name=loss.name,
            )
    raise ValueError(
        "A transfer loss that changes the labels needs "
        "'sparse_categorical_crossentropy' or 'categorical_crossentropy' as "
        f"the loss, without `ignore_class`. Received: loss={loss!r}"
    )


def labelled_batches(data, batch_size, needs_labels=True):
    """Yields `(images, labels)` of one batch after the other.

    Args:
        data: A tuple `(images, labels)` of arrays, images alone, or a
            `tf.data.Dataset`, `keras.utils.PyDataset` or other iterable of
            batches: images alone, or tuples that start with images, labels.
            Of a dict of inputs, as `kerastl.data` makes it, the images.
        batch_size: Batch size for arrays.
        needs_labels: Whether images alone are an error. Without, they come
            with `None`.

    What is yielded is NumPy's or the backend's own, see `readable`: a
    `tf.data.Dataset` feeds every backend.

    Raises:
        ValueError: If there are no labels where they are needed.
    """
    for batch in _batches(data, batch_size):
        images, labels = batch, None
        if isinstance(batch, (tuple, list)):
            images, labels = batch[0], batch[1] if len(batch) > 1 else None
        if labels is None and needs_labels:
            raise ValueError(
                "The images come without labels, which are needed here. Pass "
                "`(images, labels)`, or a dataset of such batches. "
                f"Received: data={type(data).__name__}"
            )
        yield readable(images_of(images)), readable(labels)


def _batches(data, batch_size):
    if isinstance(data, tuple):
        data = (images_of(data), *data[1:])
    elif isinstance(data, dict):
        data = images_of(data)
    if hasattr(data, "shape"):
        data = (data,)
    if isinstance(data, tuple) and hasattr(data[0], "shape"):
        for start in range(0, len(data[0]), batch_size):
            yield tuple(part[start : start + batch_size] for part in data)
        return
    if isinstance(data, keras.utils.PyDataset):
        for index in range(data.num_batches):
            yield data[index]
        return
    yield from data


def as_inputs(model, images):
    """Images in the structure in which a model takes its only input.

    A network may be made with its input in a dict. It computes the same from
    the bare tensor, but Keras warns of it each time.

    Args:
        model: A `keras.Model`.
        images: What it reads; of a model of several inputs as it is.
    """
    if isinstance(images, dict) or not isinstance(model, Functional):
        return images
    if not isinstance(model.input, dict) or len(model.input) != 1:
        return images
    return dict.fromkeys(model.input, images)


def predict_batch(model, images):
    """`model.predict_on_batch(images)`, one answer an image.

    Of a model that was made under a distribution strategy, Keras asks every
    replica about the whole batch, and returns all their answers one behind the
    other.

    Args:
        model: A `keras.Model`.
        images: A batch of what it reads, of `tf.data` on any backend.

    Returns:
        NumPy arrays in the structure of the model's outputs.
    """
    images = as_inputs(model, readable(images))
    count = keras.tree.flatten(images)[0].shape[0]
    return keras.tree.map_structure(
        lambda rows: rows[:count], model.predict_on_batch(images)
    )
