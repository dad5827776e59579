"""Images and labels in whatever form `fit` takes them."""

import keras

from kerastl.data.batch_inputs import images_of
from kerastl.data.batch_inputs import readable


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
