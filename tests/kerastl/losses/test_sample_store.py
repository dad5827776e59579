import numpy as np
from keras import ops

from kerastl.losses.sample_store import SampleStore

START = np.arange(8, dtype="float32").reshape(4, 2)


def make(**options):
    store = SampleStore(4, 2, "store", **options)
    store.values.assign(START)
    return store


def test_rows_are_read_and_replaced():
    store = make()
    index = np.array([[2], [0]])
    found = ops.convert_to_numpy(store.read(index))
    np.testing.assert_array_equal(found, START[[2, 0]])
    store.write(index, np.array([[9, 8], [7, 6]], "float64"))
    expected = [[7, 6], [2, 3], [9, 8], [6, 7]]
    np.testing.assert_array_equal(store.to_numpy(), expected)


def test_the_mean_of_three_replicas_is_what_all_of_them_wrote():
    stores = [make(replicas=3) for _ in range(3)]
    rows = np.array([[9.0, 8.0]], "float32")
    for place, store in enumerate(stores):
        store.write(np.array([place]), rows - place)
    mean = np.mean([store.to_numpy() for store in stores], axis=0)
    np.testing.assert_allclose(mean, [[9, 8], [8, 7], [7, 6], [6, 7]])


def test_what_is_remembered_is_not_trained():
    assert make().trainable_weights == []
