from typing import Any

import keras
import numpy as np

from kerastl.data.batches import images_of
from kerastl.data.batches import joined
from kerastl.types import Data

_IMAGE_RANK = 3


def with_index(train: Data) -> Any:
    """Numbers the training images, for methods that remember each of them.

    The inputs become `{"images": ..., "index": ...}`, where `index` is the
    place of the image in the training set. Number the images before they are
    shuffled: an image must have the same number in every epoch.

    Args:
        train: A tuple `(images, labels)` of arrays; a `tf.data.Dataset` of
            single examples in a fixed order, not yet shuffled or batched; or
            a `PyDataset` that gives the same batches in every epoch, all but
            the last of the same size.

    Returns:
        The same with numbers: a tuple `(inputs, labels)`, or a dataset.

    Raises:
        ValueError: If a `tf.data.Dataset` is batched already.

    Example:

    ```python
    inputs, labels = kerastl.data.with_index((images, labels))
    tuner.fit(inputs, labels, epochs=10)

    train = kerastl.data.with_index(dataset).shuffle(1000).batch(32)
    tuner.fit(train, epochs=10)
    ```
    """
    if hasattr(train, "element_spec"):
        return _enumerated(train)
    if isinstance(train, keras.utils.PyDataset):
        return _Numbered(train)
    x, *rest = train
    index = np.arange(len(images_of((x,))))
    return joined(x, "index", index), *rest


def _enumerated(train):
    shape = images_of(train.element_spec).shape
    if shape.rank is not None and shape.rank != _IMAGE_RANK:
        raise ValueError(
            "The images are numbered one by one, before they are shuffled and "
            "batched: `with_index(dataset).shuffle(...).batch(...)`. "
            f"Received: dataset of images of shape {tuple(shape)}"
        )
    return train.enumerate().map(
        lambda index, example: (
            joined(example[0], "index", index),
            *example[1:],
        )
    )


class _Numbered(keras.utils.PyDataset):
    def __init__(self, train):
        super().__init__()
        self.train = train
        self.batch_size = len(images_of(train[0]))

    def __len__(self):
        return self.train.num_batches

    def __getitem__(self, place):
        x, *rest = self.train[place]
        index = place * self.batch_size + np.arange(len(images_of((x,))))
        return joined(x, "index", index), *rest

    def on_epoch_end(self):
        self.train.on_epoch_end()
