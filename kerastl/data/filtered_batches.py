import math

import keras


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

    def __init__(self, dataset, sample_filter, batch_size):
        # One worker: the batches come in the order of one pass.
        super().__init__(workers=1, use_multiprocessing=False)
        self.dataset = dataset
        self.sample_filter = sample_filter
        self.batch_size = batch_size
        self._iterator = None

    def __len__(self):
        return math.ceil(self.sample_filter.kept.sum() / self.batch_size)

    def on_epoch_begin(self):
        self._iterator = None

    def __getitem__(self, index):
        # In the order of the dataset, also where `fit` shuffles the places.
        batch = None if self._iterator is None else next(self._iterator, None)
        if batch is None:
            self._iterator = iter(self.dataset)
            batch = next(self._iterator)
        return batch
