from typing import Any

import keras
import numpy as np

from kerastl.arguments import checked_count
from kerastl.arguments import needed_seed
from kerastl.data.array_batches import ArrayBatches
from kerastl.data.batches import images_of
from kerastl.data.batches import joined
from kerastl.types import Data


def with_unlabelled(
    train: Data,
    unlabelled: Data,
    batch_size: int = 32,
    seed: int = 0,
    ratio: int = 1,
) -> Any:
    """Puts unlabelled images beside the labelled ones of every batch.

    An epoch is one pass over the labelled images; the unlabelled ones go on
    from the start when they run out. The batches are
    `({"images": ..., "unlabelled": ...}, labels)`, which `FineTuner` sends
    through the student in one pass.

    Args:
        train: Labelled images: a `tf.data.Dataset` or `PyDataset` of batches,
            or a tuple `(images, labels)` of arrays.
        unlabelled: Images: an array, or where `train` is a dataset, a dataset
            of batches of its kind. Labels in it are left out.
        batch_size: Batch size for arrays.
        seed: Seed of the order of arrays.
        ratio: Unlabelled images to one labelled, where they are an array; of
            a dataset a batch is taken as it is.

    Returns:
        A `tf.data.Dataset` where `train` is one, else a `PyDataset`.

    Raises:
        ValueError: If labelled and unlabelled images differ in size, or in
            rank, such as when one dataset is not batched, or the two do not
            go together, or `ratio` is not a whole number of at least 1.

    Example:

    ```python
    data = kerastl.data.with_unlabelled((images, labels), more_images)
    tuner.fit(data, epochs=10)
    ```
    """
    ratio = checked_count("ratio", ratio)
    seed = needed_seed("seed", seed)
    if hasattr(train, "element_spec"):
        return _zipped(train, unlabelled, ratio * batch_size, seed)
    if not isinstance(train, keras.utils.PyDataset):
        train = ArrayBatches(tuple(train), batch_size, seed=seed)
    if hasattr(unlabelled, "shape"):
        _check_shapes(images_of(train[0]), unlabelled)
    elif not isinstance(unlabelled, keras.utils.PyDataset):
        raise ValueError(
            "The unlabelled images must be an array, or a dataset of the same "
            "kind as the labelled ones. Received: "
            f"train={type(train).__name__}, "
            f"unlabelled={type(unlabelled).__name__}"
        )
    return _Together(train, unlabelled, seed, ratio)


class _Together(keras.utils.PyDataset):
    def __init__(self, train, unlabelled, seed, ratio):
        super().__init__()
        self.train = train
        self.unlabelled = unlabelled
        self.ratio = ratio
        self.batch_size = ratio * len(images_of(train[0]))
        self.seed = seed
        self.epoch = 0

    def __len__(self):
        return self.train.num_batches

    def __getitem__(self, index):
        x, *rest = self.train[index]
        count = self.ratio * len(images_of((x,)))
        return joined(x, "unlabelled", self._more(index, count)), *rest

    def _more(self, index, count):
        if not hasattr(self.unlabelled, "shape"):
            batches = self.unlabelled.num_batches
            return images_of(self.unlabelled[index % batches])
        length = len(self.unlabelled)
        first = self.epoch * self.train.num_batches + index
        first *= self.batch_size
        passes, places = np.divmod(first + np.arange(count), length)
        orders = {
            number: np.random.default_rng((self.seed, number)).permutation(
                length
            )
            for number in np.unique(passes)
        }
        return self.unlabelled[
            [
                orders[number][place]
                for number, place in zip(passes, places, strict=True)
            ]
        ]

    def on_epoch_end(self):
        self.epoch += 1
        self.train.on_epoch_end()
        if not hasattr(self.unlabelled, "shape"):
            self.unlabelled.on_epoch_end()


def _zipped(train, unlabelled, batch_size, seed):
    if hasattr(unlabelled, "shape"):
        images = train.from_tensor_slices(unlabelled)
        images = images.shuffle(len(unlabelled), seed=seed)
        # Batched last, so that no batch is smaller than the others.
        images = images.repeat().batch(batch_size)
    elif hasattr(unlabelled, "element_spec"):
        images = unlabelled.map(lambda *batch: images_of(batch)).repeat()
    else:
        raise ValueError(
            "The unlabelled images must be an array or a `tf.data.Dataset`, "
            "as the labelled ones are. "
            f"Received: unlabelled={type(unlabelled).__name__}"
        )
    _check_shapes(images_of(train.element_spec), images.element_spec)

    def join(batch, more):
        return joined(batch[0], "unlabelled", more), *batch[1:]

    return train.zip(train, images).map(join)


def _check_shapes(images, unlabelled):
    shapes = tuple(images.shape), tuple(unlabelled.shape)
    reason = None
    if len(shapes[0]) != len(shapes[1]):
        reason = "rank. Datasets come in batches, `dataset.batch(...)`"
    elif any(
        None not in sizes and sizes[0] != sizes[1]
        for sizes in zip(*(shape[1:] for shape in shapes), strict=True)
    ):
        reason = "size. They go through the network in one batch: resize them"
    if reason:
        raise ValueError(
            f"Labelled and unlabelled images differ in {reason}. "
            f"Received: images of shape {shapes[0]}, unlabelled of shape "
            f"{shapes[1]}"
        )
