import keras
import numpy as np
from keras import ops

from kerastl.losses.feature_queue import FeatureQueue


def rows(*values):
    return np.array(values, "float32")[:, None] * np.ones(2, "float32")


def kept(result):
    found, mask = (ops.convert_to_numpy(part) for part in result)
    return found[mask > 0, 0].tolist()


def test_first_in_first_out():
    queue = FeatureQueue(4, 2, "queue")
    mask = np.array([1, 0, 1], "float32")
    assert kept(queue.push(rows(1, 2, 3), mask)) == [1, 3]
    assert kept(queue.push(rows(4, 5, 6), mask * 0)) == [1, 3]
    assert kept(queue.push(rows(7, 8, 9), 1 - mask)) == [1, 3, 8]
    # The first row of the oldest batch leaves first.
    assert kept(queue.push(rows(10, 11, 12), mask)) == [3, 8, 10, 12]
    pushed = queue.push(rows(13, 14, 15, 16, 17), np.ones(5, "float32"))
    assert kept(pushed) == [14, 15, 16, 17]
    stored = ops.convert_to_numpy(queue.rows)[:, 0].tolist()
    assert stored == [14, 15, 16, 17]
    assert ops.convert_to_numpy(queue.filled).tolist() == [1, 1, 1, 1]


def test_rows_keep_their_precision_in_a_layer_of_half_precision():
    queue = FeatureQueue(2, 2, "queue")
    queue.rows.assign(rows(1.0001, 2.0001))
    queue.filled.assign([1, 1])

    class Half(keras.layers.Layer):
        def call(self, x):
            found, _ = queue.push(x, ops.ones(1))
            return found

    found = Half(dtype="mixed_float16", autocast=False)(rows(3.0001))
    expected = rows(1.0001, 2.0001, 3.0001)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), expected)


def test_it_has_no_trainable_weights():
    queue = FeatureQueue(4, 2, "queue")
    assert isinstance(queue, keras.layers.Layer)
    assert len(queue.non_trainable_variables) == 2 == len(queue.variables)
