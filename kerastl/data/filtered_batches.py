from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any

import keras

from kerastl.data.default_workers import default_workers

if TYPE_CHECKING:
    from kerastl.data.sample_filter import SampleFilter


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
        self.batch_size = batch_size
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
