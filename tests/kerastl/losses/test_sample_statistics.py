import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl.losses import SampleStatistics
from kerastl.losses.sample_statistics import SampleStore


def make_terms(source):
    """What test_every_term trains, from a source of 7 classes."""
    return [SampleStatistics(20)]


START = np.arange(8, dtype="float32").reshape(4, 2)


def test_what_is_remembered(make_network, images, labels):
    student = make_network()
    head = student.get_layer("predictions")
    head.kernel.assign(head.kernel * 4.0)
    probabilities = ops.convert_to_numpy(student(images))
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    term = SampleStatistics(30)
    tuner.compile(
        keras.optimizers.SGD(0.0),
        "sparse_categorical_crossentropy",
        transfer_losses=[term],
    )
    plain = tuner.evaluate(images, labels, verbose=0)
    index = np.arange(24) + 6
    history = tuner.fit(
        {"images": images, "index": index}, labels, batch_size=8, verbose=0
    ).history
    # It only watches.
    np.testing.assert_allclose(history["loss"][0], plain, rtol=1e-4)
    np.testing.assert_allclose(
        history["sample_statistics"][0], probabilities.max(-1).mean(), rtol=1e-4
    )
    known = term.result()
    own = probabilities[np.arange(24), labels]
    np.testing.assert_allclose(known.loss[6:], -np.log(own), rtol=1e-4)
    np.testing.assert_allclose(
        known.confidence[6:], probabilities.max(-1), rtol=1e-4
    )
    np.testing.assert_array_equal(
        known.correct[6:], probabilities.argmax(-1) == labels
    )
    assert known.seen[6:].all() and not known.seen[:6].any()
    assert not known.dropped.any()

    term.drop(np.arange(30) < 3)
    term.record(np.array([2, 4]), np.eye(3)[[0, 1]], np.array([0, 0]))
    known = term.result()
    np.testing.assert_array_equal(np.flatnonzero(known.dropped), [0, 1, 2])
    assert known.correct[2] and not known.correct[4]
    assert known.loss[2] == 0 and known.loss[4] > 20


def test_errors(make_network, images, labels):
    with pytest.raises(ValueError, match="num_samples=0"):
        SampleStatistics(0)
    assert SampleStatistics(1).num_samples == 1
    tuner = kerastl.FineTuner(make_network())
    tuner.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        transfer_losses=[SampleStatistics(24)],
    )
    with pytest.raises(ValueError, match=r"data\.with_index"):
        tuner.fit(images, labels, verbose=0)


def test_keras_knows_it_by_name():
    name = keras.saving.get_registered_name(SampleStatistics)
    assert name == "kerastl>SampleStatistics"
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(SampleStatistics(7))
    )
    assert type(again) is SampleStatistics and again.num_samples == 7


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
