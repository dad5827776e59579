from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
        if num_samples < 1:
            raise ValueError(
                "A filter needs at least one example. "
                f"Received: num_samples={num_samples}"
            )
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
