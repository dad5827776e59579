import numpy as np
from keras import ops

from kerastl.losses.class_queue import ClassQueue


def push(queue, values, labels):
    rows = np.array(values, "float32")[:, None] * np.ones(2, "float32")
    queue.push(ops.convert_to_tensor(rows), np.eye(3, dtype="float32")[labels])


def stored(queue):
    """The values of every class, sorted."""
    rows, filled, own = (
        ops.convert_to_numpy(part)
        for part in queue.read(np.eye(3, dtype="float32"))
    )
    assert ((own > 0) <= (filled > 0)).all()
    return [sorted(rows[mask > 0, 0].tolist()) for mask in own]


def test_every_class_is_a_queue_of_its_own():
    queue = ClassQueue(3, 2, 2, "queue")
    push(queue, [1, 2, 3], [0, 2, 0])
    assert stored(queue) == [[1, 3], [], [2]]
    push(queue, [4, 5], [0, 1])
    assert stored(queue) == [[3, 4], [5], [2]]
    # More than fit: the last stay.
    push(queue, [6, 7, 8, 9], [2, 2, 2, 0])
    assert stored(queue) == [[4, 9], [5], [7, 8]]
    push(queue, [10], [2])
    assert stored(queue) == [[4, 9], [5], [8, 10]]
