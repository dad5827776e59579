"""What is in a batch.

`fit` says nothing of data that it cannot shuffle, and shuffles the rest. What
is measured batch by batch is the same on two replicas as on one.
"""

import json
import warnings

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.data import with_index
from kerastl.data import with_unlabelled
from kerastl.data.batches import labelled_batches
from kerastl.data.batches import predict_batch

IMAGES = np.arange(5, dtype="float32")[:, None, None, None] * np.ones((4, 4, 3))
LABELS = np.arange(5)
DICT = {"images": IMAGES, "unlabelled": IMAGES + 10}


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
def small_images():
    return np.random.default_rng(0).normal(size=(16, 4, 4, 3))


@pytest.fixture
def small_labels():
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
        tuner.compile(
            keras.optimizers.SGD(0.3), "sparse_categorical_crossentropy"
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # It is TensorFlow's, of a graph that is traced.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            tuner.fit(*data, verbose=0, **options)
        return tuner.student.get_weights()[0]

    return run


def test_batches_come_as_they_are(fit, small_images, small_labels):
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(
        (small_images.astype("float32"), small_labels)
    ).batch(4)
    np.testing.assert_array_equal(
        fit(dataset),
        fit(small_images, small_labels, batch_size=4, shuffle=False),
    )

    def endless():
        while True:
            for start in range(0, 16, 4):
                yield (
                    small_images[start : start + 4],
                    small_labels[start : start + 4],
                )

    np.testing.assert_allclose(
        fit(endless(), steps_per_epoch=4),
        fit(small_images, small_labels, batch_size=4, shuffle=False),
        rtol=1e-5,
    )
    unending = Batches(small_images, small_labels, None)
    fit(unending, steps_per_epoch=8)
    # Keras looks at some first.
    begun = len(unending.asked) - 1 - unending.asked[::-1].index(0)
    assert unending.asked[begun : begun + 8] == list(range(8))


def test_what_keras_shuffles_is_shuffled_still(fit, small_images, small_labels):
    batches = Batches(small_images, small_labels, 8)
    fit(batches)
    assert sorted(batches.asked[-8:]) == list(range(8))
    assert batches.asked[-8:] != list(range(8))
    shuffled = fit(small_images, small_labels, batch_size=4)
    still = fit(small_images, small_labels, batch_size=4, shuffle=False)
    assert np.abs(shuffled - still).max() > 1e-4


def test_what_is_asked_for_counts(fit, small_images, small_labels):
    batches = Batches(small_images, small_labels, 8)
    fit(batches, shuffle=False)
    assert batches.asked[-8:] == list(range(8))


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


def test_structures_stay(make_network, images):
    model = make_network()
    expected = model.predict(images, verbose=0)
    model = keras.Model(model.inputs, {"scores": model.outputs})
    found = predict_batch(model, images)
    assert list(found) == ["scores"]
    np.testing.assert_allclose(found["scores"][0], expected, atol=1e-6)


@pytest.mark.tensorflow_only
def test_two_replicas(
    make_network, images, labels, tmp_path, run_on_two_replicas
):
    model = make_network()
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    printed = run_on_two_replicas(
        """
        import json, sys
        import keras, numpy as np
        import kerastl
        from kerastl.data.batches import predict_batch
        folder = sys.argv[1]
        data = np.load(folder + "/data.npz")
        with strategy.scope():
            model = keras.models.load_model(folder + "/model.keras")
            fisher = kerastl.estimate_fisher(model, data["images"], limit=3)
        scores = predict_batch(model, data["images"])
        print(json.dumps([
            strategy.num_replicas_in_sync, scores.tolist(),
            [float(value.sum()) for value in fisher.values()],
        ]))
        """,
        tmp_path,
    )
    replicas, scores, fisher = json.loads(printed.splitlines()[-1])
    assert replicas == 2
    np.testing.assert_allclose(
        scores, model.predict(images, verbose=0), atol=1e-6
    )
    expected = kerastl.estimate_fisher(model, images, limit=3)
    np.testing.assert_allclose(
        fisher, [value.sum() for value in expected.values()], rtol=1e-4
    )
