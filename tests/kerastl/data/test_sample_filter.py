import numpy as np
import pytest

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
        batches.on_epoch_begin()
        # `fit` shuffles the places.
        found = [batches[i] for i in reversed(range(batches.num_batches))]
        numbers = np.concatenate([x["index"] for x, _ in found])
        labels = np.concatenate([y for _, y in found])
        np.testing.assert_array_equal(numbers, labels)
        assert sorted(numbers) == sorted(set(range(10)) - set(hidden))
