import numpy as np
import pytest

from kerastl.data import ArrayBatches
from kerastl.data import with_index
from kerastl.data import with_unlabelled

IMAGES = np.broadcast_to(
    np.arange(10, dtype="float32")[:, None, None, None], (10, 4, 4, 3)
).copy()
LABELS = 10 * np.arange(10)


def assert_numbered(batches):
    numbers = []
    for x, y in batches:
        index = np.asarray(x["index"])
        np.testing.assert_array_equal(np.asarray(y), 10 * index)
        np.testing.assert_array_equal(
            np.asarray(x["images"])[:, 0, 0, 0], index
        )
        numbers += index.tolist()
    assert sorted(numbers) == list(range(10))


def test_arrays():
    x, y = with_index((IMAGES, LABELS))
    assert_numbered([(x, y)])
    batches = ArrayBatches((x, y), 4)
    assert_numbered(batches[i] for i in range(3))


def test_py_dataset():
    data = with_index(ArrayBatches((IMAGES, LABELS), 4, shuffle=False))
    assert_numbered(data[i] for i in range(3))


def test_tf_data():
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))
    batches = with_index(data).shuffle(10).batch(4)
    for _ in range(2):
        assert_numbered(batches)
    with pytest.raises(ValueError, match="before they are shuffled"):
        with_index(data.batch(4))


def test_with_unlabelled_images_too():
    data = with_unlabelled(with_index((IMAGES, LABELS)), IMAGES, 4)
    assert_numbered(data[i] for i in range(3))
    assert sorted(data[0][0]) == ["images", "index", "unlabelled"]
