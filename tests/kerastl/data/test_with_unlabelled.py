import keras
import numpy as np
import pytest

import kerastl
from kerastl.data import ArrayBatches
from kerastl.data import with_unlabelled


def numbered(count, first=0):
    """Images of one value each."""
    values = np.arange(first, first + count, dtype="float32")
    return np.broadcast_to(values[:, None, None, None], (count, 4, 4, 3)).copy()


def seen(batches):
    """Values of labelled images, unlabelled ones, labels, by batch."""
    found = []
    for x, y in batches:
        found.append(
            [
                np.asarray(part)[:, 0, 0, 0].astype(int).tolist()
                for part in (x["images"], x["unlabelled"])
            ]
            + [np.asarray(y).tolist()]
        )
    return found


def epoch(dataset):
    if not isinstance(dataset, keras.utils.PyDataset):
        return seen(dataset)
    found = seen(dataset[i] for i in range(dataset.num_batches))
    dataset.on_epoch_end()
    return found


@pytest.fixture(params=["arrays", "PyDataset", "tf", "tf and array"])
def combined(request):
    """10 labelled images 0..9 and 6 unlabelled 100..105, in batches of 4."""
    labelled, labels = numbered(10), np.arange(10)
    more = numbered(6, 100)
    if request.param == "arrays":
        return with_unlabelled((labelled, labels), more, batch_size=4)
    if request.param == "PyDataset":
        return with_unlabelled(
            ArrayBatches((labelled, labels), 4),
            ArrayBatches((more, np.zeros(6)), 3),
        )
    tf = pytest.importorskip("tensorflow")
    slices = tf.data.Dataset.from_tensor_slices
    train = slices((labelled, labels)).shuffle(10).batch(4)
    if request.param == "tf":
        return with_unlabelled(train, slices((more, np.zeros(6))).batch(3))
    return with_unlabelled(train, more, batch_size=4)


def test_every_batch_has_both(combined):
    counts = np.zeros(106, int)
    for _ in range(3):
        batches = epoch(combined)
        assert [len(labels) for _, _, labels in batches] == [4, 4, 2]
        for images, more, labels in batches:
            assert images == labels
            assert min(more) >= 100 and len(more) >= 2
            counts[more] += 1
        assert sorted(sum((b[2] for b in batches), [])) == list(range(10))
    # They run out together, so that none is seen much more than another.
    assert counts[100:].min() >= 3
    assert counts[100:].max() - counts[100:].min() <= 3


def test_an_order_depends_on_seed_and_epoch():
    arrays = (numbered(10), np.arange(10)), numbered(6, 100)
    first, again, other = (
        with_unlabelled(*arrays, batch_size=4, seed=seed) for seed in (1, 1, 2)
    )
    a, b, c = ([epoch(data), epoch(data)] for data in (first, again, other))
    assert a == b != c
    assert a[0] != a[1]


def test_a_tuner_trains_on_it(make_network, images, labels):
    tuner = kerastl.FineTuner(make_network())
    tuner.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.ARC(warmup_steps=0, threshold=1.0)],
    )
    data = with_unlabelled((images[:12], labels[:12]), images[12:], 8)
    history = tuner.fit(data, epochs=2, verbose=0).history
    # At first too few labelled images are stored for the term to begin.
    first, second = history["arc"]
    assert first == 0 < second


@pytest.mark.tensorflow_only
def test_errors():
    import tensorflow as tf

    images, labels = numbered(10), np.arange(10)
    slices = tf.data.Dataset.from_tensor_slices
    with pytest.raises(ValueError, match="differ in rank"):
        with_unlabelled(slices((images, labels)), slices(images).batch(2))
    larger = np.zeros((4, *(2 * size for size in images.shape[1:])))
    for train in (images, labels), slices((images, labels)).batch(2):
        with pytest.raises(ValueError, match="differ in size.*resize them"):
            with_unlabelled(train, larger)
    with pytest.raises(ValueError, match="unlabelled=ArrayBatches"):
        with_unlabelled(slices((images, labels)), ArrayBatches(images))
    with pytest.raises(ValueError, match="unlabelled=_Tensor"):
        with_unlabelled((images, labels), slices(images))
    with pytest.raises(ValueError, match="same length"):
        ArrayBatches((images, labels[:3]))


@pytest.mark.parametrize("kind", ["arrays", "tf"])
def test_several_unlabelled_images_to_one_labelled(kind):
    train, more = (numbered(6), np.arange(6)), numbered(8, 100)
    if kind == "tf":
        tf = pytest.importorskip("tensorflow")
        train = tf.data.Dataset.from_tensor_slices(train).batch(3)
    data = with_unlabelled(train, more, batch_size=3, ratio=4)
    batches = epoch(data)
    assert [len(beside) for _, beside, _ in batches] == [12, 12]
    # Twenty-four draws of eight: each three times.
    drawn = np.bincount(sum((beside for _, beside, _ in batches), []))
    assert drawn[100:].tolist() == [3] * 8
    with pytest.raises(ValueError, match="`ratio` must be an integer"):
        with_unlabelled(train, more, ratio=0.5)
