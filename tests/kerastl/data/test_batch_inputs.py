"""`fit` says nothing of data that it cannot shuffle, and shuffles the rest."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

import kerastl


class Batches(keras.utils.PyDataset):
    """Eight batches that remember when they were asked for."""

    def __init__(self, images, labels, length):
        super().__init__()
        self.images, self.labels = images, labels
        self.length, self.asked = length, []

    @property
    def num_batches(self):
        return self.length

    def __getitem__(self, index):
        self.asked.append(index)
        place = slice(2 * (index % 8), 2 * (index % 8) + 2)
        return self.images[place], self.labels[place]


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(16, 4, 4, 3))


@pytest.fixture
def labels():
    return np.arange(16) % 2


@pytest.fixture
def fit():
    def run(*data, **options):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((4, 4, 3))
        outputs = layers.Dense(2, activation="softmax")(
            layers.Flatten()(inputs)
        )
        tuner = kerastl.FineTuner(keras.Model(inputs, outputs))
        tuner.compile("sgd", "sparse_categorical_crossentropy")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # It is TensorFlow's, of a graph that is traced.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            tuner.fit(*data, verbose=0, **options)
        return tuner.student.get_weights()[0]

    return run


def test_batches_come_as_they_are(fit, images, labels):
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(
        (images.astype("float32"), labels)
    ).batch(4)
    np.testing.assert_array_equal(
        fit(dataset), fit(images, labels, batch_size=4, shuffle=False)
    )

    def endless():
        while True:
            for start in range(0, 16, 4):
                yield images[start : start + 4], labels[start : start + 4]

    np.testing.assert_allclose(
        fit(endless(), steps_per_epoch=4),
        fit(images, labels, batch_size=4, shuffle=False),
        rtol=1e-5,
    )
    unending = Batches(images, labels, None)
    fit(unending, steps_per_epoch=8)
    # Keras looks at some first.
    begun = len(unending.asked) - 1 - unending.asked[::-1].index(0)
    assert unending.asked[begun : begun + 8] == list(range(8))


def test_what_keras_shuffles_is_shuffled_still(fit, images, labels):
    batches = Batches(images, labels, 8)
    fit(batches)
    assert sorted(batches.asked[-8:]) == list(range(8))
    assert batches.asked[-8:] != list(range(8))
    shuffled = fit(images, labels, batch_size=4)
    still = fit(images, labels, batch_size=4, shuffle=False)
    assert np.abs(shuffled - still).max() > 1e-4


def test_what_is_asked_for_counts(fit, images, labels):
    batches = Batches(images, labels, 8)
    fit(batches, shuffle=False)
    assert batches.asked[-8:] == list(range(8))
