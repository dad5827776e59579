from __future__ import annotations

import math
from typing import TYPE_CHECKING
from typing import Any

import keras
import numpy as np

from kerastl.arguments import checked_count
from kerastl.arguments import checked_flag
from kerastl.arguments import needed_seed

if TYPE_CHECKING:
    from kerastl.data.sample_filter import SampleFilter


def default_workers():
    """How many threads make the batches of a `keras.utils.PyDataset`.

    With one, Keras on TensorFlow lets tf.data's autotuner run, which the end
    of a short epoch waits for (tests/benchmarks/short_epochs.py). With two,
    Keras 3.15 on JAX trains on some batches twice and on others not at all,
    where `fit` shuffles them.
    """
    return 2 if keras.backend.backend() == "tensorflow" else 1


class ArrayBatches(keras.utils.PyDataset):
    """Batches of arrays, in an order that is new in every epoch.

    What an epoch draws depends on the seed and on its number only.

    Args:
        arrays: A structure of arrays of the same length: images, a tuple
            `(images, labels)`, or what `kerastl.data.with_index` makes.
        batch_size: Examples in a batch; the last batch may be smaller.
        shuffle: Whether the order is drawn. Otherwise it is that of the
            arrays.
        seed: Seed of the order.
        sample_filter: A `kerastl.data.SampleFilter` that says which examples
            take part, or `None`.
        workers: As in `keras.utils.PyDataset`. Defaults to what is quickest
            with the backend at hand.
        **kwargs: As in `keras.utils.PyDataset`.

    Attributes:
        epoch: Number of the epoch that is drawn next.

    Raises:
        ValueError: If the arrays differ in length or have none.

    Example:

    ```python
    train = kerastl.data.ArrayBatches((images, labels), batch_size=8)
    tuner.fit(train, epochs=10)
    ```
    """

    def __init__(
        self,
        arrays: Any,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int = 0,
        sample_filter: SampleFilter | None = None,
        workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(workers=workers or default_workers(), **kwargs)
        lengths = {len(array) for array in keras.tree.flatten(arrays)}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(
                "The arrays must have the same length, of at least 1. "
                f"Received: lengths={sorted(lengths)}"
            )
        self.arrays = arrays
        self.length = lengths.pop()
        self.batch_size = checked_count("batch_size", batch_size)
        self.shuffle = checked_flag("shuffle", shuffle)
        self.seed = needed_seed("seed", seed)
        self.sample_filter = sample_filter
        self.epoch = 0
        self._begun = False

    def __len__(self):
        return math.ceil(len(self._order()) / self.batch_size)

    def __getitem__(self, index):
        start = index * self.batch_size
        places = self._order()[start : start + self.batch_size]
        return keras.tree.map_structure(
            lambda array: array[places], self.arrays
        )

    def on_epoch_begin(self) -> None:
        self._begun = True

    def on_epoch_end(self) -> None:
        # Keras also ends an epoch after a mere look at the first batches.
        self.epoch += self._begun
        self._begun = False

    def _order(self):
        order = np.arange(self.length)
        if self.shuffle:
            generator = np.random.default_rng((self.seed, self.epoch))
            order = generator.permutation(self.length)
        if self.sample_filter is not None:
            order = order[self.sample_filter.kept[order]]
        return order
