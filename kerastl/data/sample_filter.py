from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any

import keras
import numpy as np

from kerastl.arguments import checked_count
from kerastl.data.array_batches import default_workers

if TYPE_CHECKING:
    import tensorflow as tf
    from numpy.typing import ArrayLike


class SampleFilter:
    """Says which training examples take part in an epoch.

    Callbacks that leave examples out (`kerastl.callbacks.KAKURENBO`,
    `kerastl.callbacks.FilteredTransfer`) write to it, and the training data
    asks it at the start of every pass: an epoch really gets shorter.

    Args:
        num_samples: Number of training examples.

    Attributes:
        kept: bool array `(num_samples,)`, `True` for the examples that take
            part. All at the start.
        changes: How often `hide` was called.

    Raises:
        ValueError: If there is no example.

    Example:

    ```python
    chosen = kerastl.data.SampleFilter(len(images))
    train = kerastl.data.ArrayBatches(
        kerastl.data.with_index((images, labels)), sample_filter=chosen
    )
    tuner.compile(
        loss="sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.SampleStatistics(len(images))],
    )
    hiding = kerastl.callbacks.KAKURENBO(chosen, images, labels)
    tuner.fit(train, epochs=20, callbacks=[hiding])
    ```
    """

    def __init__(self, num_samples: int) -> None:
        num_samples = checked_count("num_samples", num_samples)
        self.kept = np.ones(num_samples, bool)
        self.changes = 0

    def hide(self, samples: ArrayLike) -> None:
        """Leaves out the examples at these places, and takes all others."""
        self.kept[:] = True
        self.kept[np.asarray(samples, int)] = False
        self.changes += 1

    def select(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Applies the filter to a `tf.data.Dataset`.

        Args:
            dataset: Single examples in the order of the training set, not yet
                shuffled or batched.

        Returns:
            A `tf.data.Dataset` that asks the filter in every pass. It cannot
            know its length: give it to `fit` in `FilteredBatches`.
        """
        flag = dataset.from_tensor_slices([True]).element_spec
        flags = dataset.from_generator(
            lambda: iter(self.kept.copy()), output_signature=flag
        )
        pairs = dataset.zip(flags, dataset)
        return pairs.filter(lambda kept, example: kept).map(
            lambda kept, example: example
        )


class FilteredBatches(keras.utils.PyDataset):
    """Batches that are fewer in an epoch that leaves examples out.

    Keras takes the number of batches of a `tf.data.Dataset` for the same in
    every epoch. This tells it anew.

    Args:
        dataset: Iterable of batches that can be read again and again, such as
            a `tf.data.Dataset` after `SampleFilter.select`.
        sample_filter: The `kerastl.data.SampleFilter` that it asks.
        batch_size: Examples in a batch.

    Example:

    ```python
    numbered = kerastl.data.with_index(dataset)
    batches = chosen.select(numbered).shuffle(1000).batch(32)
    tuner.fit(kerastl.data.FilteredBatches(batches, chosen, 32), epochs=20)
    ```
    """

    def __init__(
        self,
        dataset: Iterable[Any],
        sample_filter: SampleFilter,
        batch_size: int,
    ) -> None:
        super().__init__(workers=default_workers(), use_multiprocessing=False)
        self.dataset = dataset
        self.sample_filter = sample_filter
        self.batch_size = checked_count("batch_size", batch_size)
        self._lock = threading.Lock()
        self._begun = False
        self._start_pass()

    def __len__(self):
        return math.ceil(self.sample_filter.kept.sum() / self.batch_size)

    def on_epoch_begin(self) -> None:
        # No place to start a pass: the workers may already be reading.
        self._begun = True

    def on_epoch_end(self) -> None:
        with self._lock:
            self._begun = False
            self._start_pass()

    def __getitem__(self, index):
        # A dataset is read in its order only: batches that the other worker,
        # or a shuffling `fit`, has not asked for yet wait.
        with self._lock:
            asked_again = index < self._read and index not in self._waiting
            if asked_again or self.sample_filter.changes != self._changes:
                self._start_pass()
            while index >= self._read:
                batch = next(self._batches, None)
                if batch is None:
                    raise IndexError(
                        f"The pass has {self._read} batches. "
                        f"Received: index={index}"
                    )
                self._waiting[self._read] = batch
                self._read += 1
            if self._begun:
                return self._waiting.pop(index)
            # A look at the first batches, which the epoch will ask for too.
            return self._waiting[index]

    def _start_pass(self):
        self._changes = self.sample_filter.changes
        self._batches = _lazily(self.dataset)
        self._waiting = {}
        self._read = 0


def _lazily(dataset):
    """A pass that begins, and asks the filter, when it is first read."""
    yield from dataset
