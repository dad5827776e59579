import keras
import numpy as np
import pytest

from kerastl.data import with_index
from kerastl.data import with_unlabelled
from kerastl.data.labelled_batches import labelled_batches

IMAGES = np.arange(5, dtype="float32")[:, None, None, None] * np.ones((4, 4, 3))
LABELS = np.arange(5)
DICT = {"images": IMAGES, "unlabelled": IMAGES + 10}


@pytest.mark.parametrize(
    "data",
    [
        (IMAGES, LABELS),
        (DICT, LABELS),
        with_index((IMAGES, LABELS)),
        [(IMAGES[:2], LABELS[:2]), (IMAGES[2:], LABELS[2:])],
        [(DICT, LABELS)],
        with_unlabelled((IMAGES, LABELS), IMAGES + 10, batch_size=2),
    ],
)
def test_every_form_gives_labelled_images(data):
    found = list(labelled_batches(data, 2))
    images, labels = (
        np.concatenate([np.asarray(part) for part in parts])
        for parts in zip(*found, strict=True)
    )
    assert sorted(labels) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


@pytest.mark.parametrize("data", [IMAGES, DICT, [IMAGES]])
def test_images_alone(data):
    (first, *_) = labelled_batches(data, 5, needs_labels=False)
    np.testing.assert_array_equal(first[0], IMAGES)
    assert first[1] is None
    with pytest.raises(ValueError, match="without labels"):
        next(labelled_batches(data, 5))


class _Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = list(batches)

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


@pytest.mark.parametrize("make", [lambda data: data, list, _Batches])
@pytest.mark.parametrize("images", [IMAGES, DICT])
def test_tensors_of_tensorflow_come_as_what_the_layers_take(make, images):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((images, LABELS)).batch(2)
    found = list(labelled_batches(make(data), None))
    for part in keras.tree.flatten(found):
        assert isinstance(part, np.ndarray) or keras.ops.is_tensor(part)
    images, labels = (
        np.concatenate([np.asarray(part) for part in parts])
        for parts in zip(*found, strict=True)
    )
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
