import numpy as np
import pytest

from kerastl.data import with_index
from kerastl.data import with_unlabelled
from kerastl.training.labelled_batches import labelled_batches

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
