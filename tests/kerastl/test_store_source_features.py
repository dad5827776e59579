"""A tuner that reads its source's features trains as one that runs it."""

import json

import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl.data import ArrayBatches
from kerastl.data import with_index
from kerastl.data import with_unlabelled
from kerastl.losses import PixelLevel


class Embedding(kerastl.losses.TransferLoss):
    """Reads every field that storing may change; counts the index in."""

    needs_embedding = True

    def compute(self, step):
        rows = ops.mean(
            (step.student_embedding - step.source_embedding) ** 2, axis=-1
        )
        if step.index is not None:
            rows = rows * ops.cast(step.index + 1, rows.dtype)
        total = ops.mean(rows)
        if step.unlabelled is not None:
            total = total + self.compute(step.unlabelled)
        return total


@pytest.fixture
def make_tuner(make_network):
    def make(terms=None, **kwargs):
        keras.utils.set_random_seed(11)
        source = make_network()
        tuner = kerastl.FineTuner(
            make_network(), source, batch_norm=kwargs.pop("batch_norm", "train")
        )
        tuner.compile(
            optimizer=keras.optimizers.SGD(0.01, 0.9),
            loss="sparse_categorical_crossentropy",
            transfer_losses=[PixelLevel(), Embedding()]
            if terms is None
            else terms,
            **kwargs,
        )
        return tuner

    return make


@pytest.fixture
def weights():
    return np.random.default_rng(9).uniform(0.5, 2, 24).astype("float32")


def _fit(tuner, data):
    keras.utils.set_random_seed(5)
    return tuner.fit(data, epochs=2, verbose=0).history


def _forget(tuner):
    """Whoever runs the source from here on gets other features."""
    for variable in tuner.source.weights:
        variable.assign(variable + 0.5)


def _assert_same(first, second, tuners, atol=1e-6):
    for name in first:
        np.testing.assert_allclose(
            first[name], second[name], rtol=atol, atol=atol, err_msg=name
        )
    for a, b in zip(*(t.student.get_weights() for t in tuners), strict=True):
        np.testing.assert_allclose(a, b, rtol=atol, atol=atol)


def _slices(*arrays):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(arrays)


def _data(kind, images, labels, weights):
    if kind == "arrays":
        return (images, labels, weights)
    if kind == "PyDataset":
        return ArrayBatches(with_index((images, labels, weights)), 8, seed=3)
    if kind == "tf.data":
        return with_index(_slices(images, labels, weights)).batch(10)
    return with_unlabelled((images[:16], labels[:16]), images[16:], 8)


@pytest.mark.parametrize(
    "kind, on_disk",
    [("arrays", False), ("PyDataset", True), ("tf.data", True), ("more", True)],
)
def test_the_same_training(
    make_tuner, images, labels, weights, tmp_path, kind, on_disk
):
    plain, stored = (make_tuner(run_eagerly=True) for _ in range(2))
    train = kerastl.store_source_features(
        stored,
        _data(kind, images, labels, weights),
        path=tmp_path / "a" / "store" if on_disk else None,
    )
    assert isinstance(train, keras.utils.PyDataset) == (kind != "tf.data")
    data = _data(kind, images, labels, weights)
    if kind == "arrays":
        data = ArrayBatches(data)
    assert len(train) == len(data)
    if kind != "more":
        _forget(stored)
    _assert_same(_fit(plain, data), _fit(stored, train), (plain, stored))


def test_what_is_not_stored_comes_from_the_source(make_tuner, images, labels):
    """So that the test above would see it."""
    values = []
    for forgetful in (False, True):
        tuner = make_tuner(run_eagerly=True)
        if forgetful:
            _forget(tuner)
        logs = tuner.train_on_batch(images, labels, return_dict=True)
        values.append(logs["pixel_level"])
    assert abs(values[0] - values[1]) > 0.1


@pytest.mark.parametrize(
    "policy, how, tolerance",
    [
        ("float32", {"jit_compile": True}, 1e-5),
        ("mixed_float16", {"jit_compile": False}, 1e-3),
        ("mixed_bfloat16", {"run_eagerly": True}, 1e-3),
    ],
)
def test_ways_to_compute(
    make_tuner, images, labels, tmp_path, policy, how, tolerance
):
    keras.config.set_dtype_policy(policy)
    plain = make_tuner(run_eagerly=True)
    stored = make_tuner(**how)
    data = ArrayBatches((images, labels), 8, shuffle=False)
    train = kerastl.store_source_features(stored, data, tmp_path / "store")
    _forget(stored)
    _assert_same(
        _fit(plain, data), _fit(stored, train), (plain, stored), tolerance
    )


class Noisy(ArrayBatches):
    """Adds noise, other noise in every reading, when it is told to."""

    noise = None

    def __getitem__(self, index):
        images, labels = super().__getitem__(index)
        if self.noise is not None:
            noise = self.noise.uniform(size=images.shape)
            images = images + noise.astype("float32")
        return images, labels


def test_augmentation_is_seen(make_tuner, images, labels):
    tuner = make_tuner(run_eagerly=True)
    noisy = Noisy((images, labels), 8)
    train = kerastl.store_source_features(tuner, noisy)
    tuner.fit(train, verbose=0)
    noisy.noise = np.random.default_rng(4)
    with pytest.raises(ValueError, match="8 of them not among the 24"):
        kerastl.store_source_features(tuner, noisy)
    # TensorFlow wraps what its input pipeline raises.
    with pytest.raises(Exception, match="the same in every epoch"):
        tuner.fit(train, verbose=0)


@pytest.mark.tensorflow_only
def test_augmentation_in_tf_data_is_seen(make_tuner, images, labels):
    import tensorflow as tf

    noise = tf.random.Generator.from_seed(3)

    def augment(image, label):
        return image + noise.uniform(image.shape), label

    data = _slices(images, labels)
    with pytest.raises(ValueError, match="8 of them not among the 24"):
        kerastl.store_source_features(make_tuner(), data.map(augment).batch(8))
    shuffled = data.shuffle(24).batch(8)
    train = kerastl.store_source_features(make_tuner(), shuffled)
    assert len(train) == 3
    for _ in range(2):
        seen = [batch["images"].numpy() for batch, _ in train]
        assert len(np.unique(np.concatenate(seen), axis=0)) == 24


def test_errors(make_tuner, make_network, images, labels):
    def store(tuner, data=(images, labels)):
        return kerastl.store_source_features(tuner, data)

    with pytest.raises(ValueError, match="tuner.source=None"):
        store(kerastl.FineTuner(make_network()))
    attacked = make_tuner([kerastl.losses.Adversarial()], run_eagerly=True)
    with pytest.raises(ValueError, match=r"trains on others.*adversarial"):
        store(attacked)
    with pytest.raises(ValueError, match="data=generator"):
        store(make_tuner(), (image for image in images))
    with pytest.raises(ValueError, match="0 batches"):
        store(make_tuner(), NoBatch((images, labels)))

    train = store(make_tuner())
    with pytest.raises(ValueError, match=r"trains on others.*adversarial"):
        attacked.fit(train, verbose=0)
    other = kerastl.FineTuner(
        make_network(), make_network(), taps=["block1_add", "stem_relu"]
    )
    other.compile(
        "sgd", "sparse_categorical_crossentropy", transfer_losses=[PixelLevel()]
    )
    with pytest.raises(ValueError, match=r"missing=\['stem_relu'\]"):
        other.fit(train, verbose=0)


class NoBatch(ArrayBatches):
    def __len__(self):
        return 0


@pytest.mark.tensorflow_only
def test_keeps_the_options_of_tf_data(make_tuner, images, labels):
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    data = _slices(images, labels).batch(8).with_options(options)
    stored = kerastl.store_source_features(make_tuner(), data)
    assert stored.options().autotune.enabled is False


@pytest.mark.tensorflow_only
def test_errors_of_tf_data(make_tuner, images, labels):
    data = _slices(images, labels)
    with pytest.raises(ValueError, match="without an end.*endless"):
        kerastl.store_source_features(make_tuner(), data.batch(8).repeat())
    with pytest.raises(ValueError, match="Batch the dataset first"):
        kerastl.store_source_features(make_tuner(), data)


@pytest.mark.tensorflow_only
def test_another_process_with_two_replicas_reads_the_store(
    make_tuner, images, labels, tmp_path, run_on_two_replicas
):
    """Frozen statistics, so that the split over replicas is exact."""
    tuner = make_tuner([PixelLevel()], batch_norm="freeze", run_eagerly=True)
    tuner.save(tmp_path / "tuner.keras")
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    data = ArrayBatches((images, labels), 8, shuffle=False)
    kerastl.store_source_features(tuner, data, tmp_path / "store")
    expected = tuner.fit(data, epochs=2, shuffle=False, verbose=0).history
    printed = run_on_two_replicas(
        """
        import json, sys
        import keras, numpy as np
        import kerastl
        folder = sys.argv[1]
        data = np.load(folder + "/data.npz")
        with strategy.scope():
            tuner = keras.models.load_model(folder + "/tuner.keras")
        train = kerastl.store_source_features(
            tuner,
            kerastl.data.ArrayBatches(
                (data["images"], data["labels"]), 8, shuffle=False
            ),
            folder + "/store",
        )
        for variable in tuner.source.weights:
            variable.assign(variable + 0.5)
        history = tuner.fit(train, epochs=2, shuffle=False, verbose=0).history
        print(json.dumps(history))
        """,
        tmp_path,
    )
    history = json.loads(printed.splitlines()[-1])
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4)
