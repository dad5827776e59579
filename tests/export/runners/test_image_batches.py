import keras
import numpy as np
import pytest

from kerastl.data import with_index
from kerastl.export.runners.image_batches import ImageBatches

SHAPE = (4, 4, 3)


def images(count, value=0.0):
    return np.full((count, *SHAPE), value, "float32")


def collect(data, **kwargs):
    batches = ImageBatches(data, SHAPE, 5, "data", **kwargs)
    parts = list(batches)
    collected = np.concatenate([part for part, _ in parts])
    if not batches.has_labels:
        return collected, None
    return collected, np.concatenate([labels for _, labels in parts])


class Sequence(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return images(2, index), np.array([index, index])


def as_kinds():
    stack = np.arange(6, dtype="float32").repeat(48).reshape(6, *SHAPE)
    labels = np.array([0, 1, 2, 3, 4, 0])
    one_hot = np.eye(5)[labels]
    return {
        "pair of arrays": (stack, labels),
        "one-hot": (stack, one_hot),
        "column of labels": (stack, labels[:, None]),
        "list of batches": [
            (stack[:4], labels[:4]),
            (stack[4:], labels[4:]),
        ],
        "with sample weights": [(stack, labels, np.ones(6))],
        "arrays with sample weights": (stack, labels, np.ones(6)),
        "a list of labels": (stack, labels.tolist(), None),
        "single images": list(zip(stack, labels, strict=True)),
        "arrays with an index": with_index((stack, labels)),
        "batches with an index": [({"images": stack, "index": labels}, labels)],
        "generator": (
            (a[None], b[None]) for a, b in zip(stack, labels, strict=True)
        ),
    }


@pytest.mark.parametrize("kind", as_kinds())
def test_every_kind_gives_the_same_images_and_labels(kind):
    collected, labels = collect(as_kinds()[kind], batch_size=4)
    np.testing.assert_array_equal(collected[:, 0, 0, 0], np.arange(6))
    np.testing.assert_array_equal(labels, [0, 1, 2, 3, 4, 0])
    assert collected.dtype == "float32"


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("batch_size", [None, 4])
def test_tf_datasets_batched_or_not(batch_size):
    import tensorflow as tf

    stack, labels = as_kinds()["pair of arrays"]
    data = tf.data.Dataset.from_tensor_slices((stack, labels))
    if batch_size:
        data = data.batch(batch_size)
    collected, found = collect(data)
    np.testing.assert_array_equal(collected, stack)
    np.testing.assert_array_equal(found, labels)


def test_keras_datasets_end_after_their_length():
    collected, labels = collect(Sequence())
    np.testing.assert_array_equal(collected[:, 0, 0, 0], [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(labels, [0, 0, 1, 1, 2, 2])


def test_an_array_is_cut_into_batches_and_one_image_is_a_batch():
    batches = ImageBatches(images(10), SHAPE, 5, "data", batch_size=4)
    assert [len(part) for part, _ in batches] == [4, 4, 2]
    one = images(1, 7.0)[0]
    for data in (one, one.astype("uint8")):
        collected, labels = collect(data)
        np.testing.assert_array_equal(collected, images(1, 7.0))
        assert labels is None


def test_the_usual_batch_has_32_images():
    batches = ImageBatches(images(70), SHAPE, 5, "data")
    assert [len(part) for part, _ in batches] == [32, 32, 6]
    batches = ImageBatches(iter(images(70)), SHAPE, 5, "data")
    assert [len(part) for part, _ in batches] == [32, 32, 6]


def test_a_list_of_two_batches_is_no_pair_of_images_and_labels():
    collected, labels = collect([images(2), images(3, 1.0)])
    assert collected[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 1]
    assert labels is None


@pytest.mark.parametrize("others", [(None,), (None, np.ones(5))])
def test_images_may_have_no_labels(others):
    collected, labels = collect((images(5), *others))
    np.testing.assert_array_equal(collected, images(5))
    assert labels is None


def test_a_list_of_three_batches_has_neither_labels_nor_weights():
    collected, labels = collect([images(2), images(3, 1.0), images(1)])
    assert collected[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 1, 0]
    assert labels is None


def test_without_a_number_of_classes_any_index_fits():
    batches = ImageBatches((images(2), np.array([3, 999])), SHAPE, None, "data")
    [(_, labels)] = batches
    assert labels.tolist() == [3, 999]
    [(_, labels)] = ImageBatches(
        (images(2), np.eye(7)[[6, 2]]), SHAPE, None, "data"
    )
    assert labels.tolist() == [6, 2]


def test_yes_and_no_are_labels_and_no_images():
    _, labels = collect((images(2), np.array([True, False])))
    assert labels.tolist() == [1, 0]
    with pytest.raises(ValueError, match="must be numbers.*bool"):
        ImageBatches(np.zeros((2, *SHAPE), bool), SHAPE, 5, "data")


def test_the_dtype_of_the_data_is_kept_in_mind():
    batches = ImageBatches(images(3).astype("uint8"), SHAPE, 5, "data")
    assert batches.dtype == np.uint8
    [(first, _)] = batches
    assert first.dtype == np.float32


def test_images_without_labels():
    collected, labels = collect(images(3).astype("uint8"))
    assert len(collected) == 3
    assert labels is None


@pytest.mark.parametrize(
    "data, message",
    [
        ([], "holds no images"),
        (images(0), "holds no images"),
        (np.zeros((2, 5, 4, 3)), r"takes \(4, 4, 3\)"),
        (np.full((2, *SHAPE), "a"), "must be numbers"),
        (images(2, np.nan), "NaN"),
        ((images(2), np.array([0])), "2 images and 1 labels"),
        ((images(2), np.array([0, 5])), r"5 classes \(0 to 4\)"),
        ((images(2), np.array([0, -1])), "labels from -1 to 0"),
        ((images(2), np.array([0, 0.5])), "whole numbers"),
        ((images(2), np.full((2, 5), 0.2)), "Soft labels"),
        ((images(2), np.eye(5)[:2] * 2), "Soft labels"),
        ((images(2), np.eye(5)[:2] - 1), "Soft labels"),
        ((images(2), np.array(["a", "b"])), "must be class indices"),
        ([(images(2), np.zeros((2, 1, 1)))], r"shape \(2, 1, 1\)"),
        ([(images(2), np.zeros(3))], "2 images and 3 labels"),
        ((images(2), np.eye(4)[:2]), "vectors of another length"),
        ([{"image": images(2)}], "data.map"),
    ],
)
def test_wrong_data_is_refused_on_construction(data, message):
    with pytest.raises(ValueError, match=message):
        ImageBatches(data, SHAPE, 5, "data")


@pytest.mark.parametrize(
    "data",
    ["photos/", 3, None, ["a.jpg", "b.jpg"], {"image": images(2)}, [1.0]],
)
def test_what_is_no_data_is_a_type_error(data):
    with pytest.raises(TypeError, match="Received: data="):
        ImageBatches(data, SHAPE, 5, "data")


@pytest.mark.tensorflow_only
def test_an_endless_dataset_is_recognised():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensors(images(1)[0]).repeat()
    assert ImageBatches(data, SHAPE, 5, "data").infinite
    assert not ImageBatches(data.take(3), SHAPE, 5, "data").infinite
    unknown = data.take(3).filter(lambda image: True)
    assert int(unknown.cardinality()) == -2
    assert not ImageBatches(unknown, SHAPE, 5, "data").infinite


@pytest.mark.parametrize("labels", [[0, 1, 1], [[0], [1], [1]]])
def test_one_output_has_two_classes(labels):
    images = np.zeros((3, 4, 4, 3), "float32")
    data = (images, np.array(labels))
    [(_, found)] = ImageBatches(data, (4, 4, 3), 1, "data")
    np.testing.assert_array_equal(found, [0, 1, 1])
    with pytest.raises(ValueError, match="2 classes"):
        ImageBatches((images, np.array([0, 1, 2])), (4, 4, 3), 1, "data")


def test_all_batches_come_again():
    data = (images(70), np.arange(70) % 5)
    batches = ImageBatches(data, SHAPE, 5, "data")
    assert len(batches.first[0]) == 32
    for _ in range(2):
        found = list(batches)
        np.testing.assert_array_equal(
            np.concatenate([part for part, _ in found]), data[0]
        )
        np.testing.assert_array_equal(
            np.concatenate([labels for _, labels in found]), data[1]
        )
    # An iterator has them once.
    once = ImageBatches(iter([data]), SHAPE, 5, "data")
    assert [len(part) for part, _ in once] == [70]
    assert list(once) == []
