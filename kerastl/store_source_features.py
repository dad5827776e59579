"""Features of the source, computed once."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import keras

from kerastl.data.array_batches import ArrayBatches
from kerastl.data.batches import images_of
from kerastl.data.batches import joined
from kerastl.training.feature_store import FeatureStore
from kerastl.training.transfer_terms import check_images_stay
from kerastl.types import Data
from kerastl.types import PathLike

if TYPE_CHECKING:
    from kerastl.fine_tuner import FineTuner

_INFINITE = -1


def store_source_features(
    tuner: FineTuner,
    data: Data,
    path: PathLike | None = None,
    batch_size: int = 32,
    seed: int = 0,
) -> Data:
    """Computes the source's features of all images once, before training.

    The source of a `FineTuner` is frozen: where the images are the same in
    every epoch (no augmentation), so are its features. On the dataset that
    this returns, a training step does not run the source. Losses and trained
    weights are those of the same fit on `data`, up to rounding.

    Features are found by the values of the image, so the data may be shuffled
    and may leave images out in some epochs. Whether the images stay the same
    cannot be known for certain: the first batch is read again at once, and an
    image that was not stored is an error in any later epoch.

    All taps of the tuner are stored, and what the source's head reads. That
    is more data than the images where taps lie early in the network; what a
    step saves is one forward pass of the source, what it pays is reading the
    features. Of unlabelled images (`kerastl.data.with_unlabelled`) nothing is
    stored; the source runs on those alone.

    Args:
        tuner: A `kerastl.FineTuner` with a source.
        data: The training data: a tuple `(images, labels)` or `(images,
            labels, sample_weight)` of arrays, where the images may be a dict
            as `kerastl.data` makes it; or a `PyDataset` or `tf.data.Dataset`
            of batches.
        path: Folder for the features, opened as memory maps. Where it exists,
            as in the next run, it is read instead of running the source, if
            it is of the same source and has all images. `None` keeps the
            features in memory.
        batch_size: Batch size for arrays.
        seed: Seed of the order of arrays, which is new in every epoch.

    Returns:
        A dataset of the same batches for `tuner.fit`, whose inputs are a dict
        with `"source_features"`: a `tf.data.Dataset` where `data` is one,
        else a `PyDataset`.

    Raises:
        ValueError: If the tuner has no source, a transfer loss changes the
            images, the data gives other images when it is read again, has no
            end or no batch, or `path` holds something else.

    Example:

    ```python
    tuner = kerastl.FineTuner(student, source=source)
    tuner.compile("sgd", "sparse_categorical_crossentropy",
                  transfer_losses=[kerastl.losses.PixelLevel(1.0)])
    train = kerastl.store_source_features(tuner, (images, labels))
    tuner.fit(train, epochs=30)
    ```
    """
    if tuner.source is None:
        raise ValueError(
            "There are no features to store, because the tuner has no source. "
            "Build it with `FineTuner(student, source=...)`. "
            "Received: tuner.source=None"
        )
    check_images_stay(tuner.transfer_losses)
    data = _batches(data, batch_size, seed)
    path = None if path is None else pathlib.Path(path)
    if path is not None and path.exists():
        store = FeatureStore.open(path, tuner.source, data)
    else:
        store = FeatureStore.compute(tuner.source, data, path)
    if isinstance(data, keras.utils.PyDataset):
        store.join(data[0])
        return _Joined(data, store)
    store.join(next(iter(data)))
    return _joined_dataset(data, store)


def _batches(data, batch_size, seed):
    if hasattr(data, "element_spec"):
        endless = int(data.cardinality()) == _INFINITE
    elif isinstance(data, keras.utils.PyDataset):
        endless = data.num_batches is None
    elif isinstance(data, (tuple, dict)) or hasattr(data, "shape"):
        arrays = data if isinstance(data, tuple) else (data,)
        return ArrayBatches(arrays, batch_size, seed=seed)
    else:
        raise ValueError(
            "The images are read in every epoch, so they must come in arrays, "
            "a `PyDataset` or a `tf.data.Dataset` of batches. "
            f"Received: data={type(data).__name__}"
        )
    if endless:
        raise ValueError(
            "The features of a dataset without an end cannot be stored. Leave "
            f"`repeat()` out. Received: data={type(data).__name__}, endless"
        )
    return data


class _Joined(keras.utils.PyDataset):
    def __init__(self, data, store):
        super().__init__(
            data.workers, data.use_multiprocessing, data.max_queue_size
        )
        self.data = data
        self.store = store

    def __len__(self):
        return self.data.num_batches

    def __getitem__(self, index):
        return self.store.join(self.data[index])

    def on_epoch_begin(self):
        self.data.on_epoch_begin()

    def on_epoch_end(self):
        self.data.on_epoch_end()


def _joined_dataset(data, store):
    x, *rest = (
        data.element_spec
        if isinstance(data.element_spec, tuple)
        else (data.element_spec,)
    )
    image = images_of((x,))
    features = {
        name: type(image)((image.shape[0], *rows.shape[1:]), rows.dtype)
        for name, rows in store.features.items()
    }
    signature = joined(x, "source_features", features), *rest
    made = data.from_generator(
        lambda: (store.join(batch) for batch in data),
        output_signature=signature,
    )
    # A generator has no length, which a progress bar and steps need.
    count = data.cardinality()
    if int(count) >= 0:
        pairs = data.zip(data.range(count), made.repeat())
        made = pairs.map(lambda _, batch: batch)
    # A generator takes none of the options of what it reads.
    return made.prefetch(1).with_options(data.options())
