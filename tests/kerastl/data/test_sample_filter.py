import keras
import numpy as np
import pytest

from kerastl.data import ArrayBatches
from kerastl.data import FilteredBatches
from kerastl.data import SampleFilter
from kerastl.data import with_index


def test_hide():
    chosen = SampleFilter(5)
    chosen.hide([1, 3])
    assert chosen.kept.tolist() == [True, False, True, False, True]
    chosen.hide(np.array([0]))
    assert chosen.kept.tolist() == [False, True, True, True, True]
    chosen.hide([])
    assert chosen.kept.all()


def test_tf_data_is_shorter_in_every_pass():
    tf = pytest.importorskip("tensorflow")
    chosen = SampleFilter(10)
    images = np.zeros((10, 4, 4, 3), "float32")
    data = tf.data.Dataset.from_tensor_slices((images, np.arange(10)))
    data = chosen.select(with_index(data)).shuffle(10).batch(4)
    batches = FilteredBatches(data, chosen, 4)
    for hidden in ([], [2, 3, 9], [0]):
        chosen.hide(hidden)
        # `fit` shuffles the places.
        found = [batches[i] for i in reversed(range(batches.num_batches))]
        numbers = np.concatenate([x["index"] for x, _ in found])
        labels = np.concatenate([y for _, y in found])
        np.testing.assert_array_equal(numbers, labels)
        assert sorted(numbers) == sorted(set(range(10)) - set(hidden))
    with pytest.raises(IndexError, match="3 batches.*index=3"):
        batches[3]


def test_batches_keep_the_order_of_a_pass():
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.range(7)
    batches = FilteredBatches(data.batch(2), SampleFilter(7), 2)
    expected = [[0, 1], [2, 3], [4, 5], [6]]
    for places in ([0, 1, 2, 3], [2, 0, 3, 1]):
        # A look before the epoch takes nothing out of it.
        assert batches[1].numpy().tolist() == expected[1]
        batches.on_epoch_begin()
        for place in [*places, 1]:
            assert batches[place].numpy().tolist() == expected[place]
        batches.on_epoch_end()


@pytest.mark.parametrize("kind", ["tf.data", "arrays"])
def test_a_fit_sees_what_the_filter_leaves(kind):
    chosen = SampleFilter(20)
    values = np.arange(20, dtype="float32")[:, None]
    if kind == "arrays":
        batches = ArrayBatches((values, values), 4, sample_filter=chosen)
    else:
        tf = pytest.importorskip("tensorflow")
        data = tf.data.Dataset.from_tensor_slices((values, values))
        # No order that two passes share.
        data = chosen.select(data).shuffle(20).batch(4)
        batches = FilteredBatches(data, chosen, 4)
    zero = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([zero])
    # Unbuilt: Keras looks at the first batches before the first epoch.
    model.compile(keras.optimizers.SGD(0.0), "mae")

    def hide(epoch, logs=None):
        chosen.hide(range(3 * epoch + 3))

    hiding = keras.callbacks.LambdaCallback(on_epoch_end=hide)
    found = model.fit(batches, epochs=4, callbacks=[hiding], verbose=0)
    # The loss of an epoch is the mean of the values that it saw.
    assert found.history["loss"] == pytest.approx(
        [np.mean(range(3 * epoch, 20)) for epoch in range(4)]
    )
    # On JAX Keras's look at the first batches is an epoch like any other.
    if kind == "arrays" and keras.backend.backend() == "tensorflow":
        assert batches.epoch == 4
