"""A tuner that reads its source's features trains as one that runs it."""

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
    eager = kind != "tf.data"
    plain, stored = (make_tuner(run_eagerly=eager) for _ in range(2))
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
    "policy, jit_compile, tolerance",
    [
        ("float32", True, 1e-4),
        ("mixed_float16", False, 1e-3),
        ("mixed_bfloat16", False, 1e-3),
    ],
)
def test_compiled(
    make_tuner, images, labels, tmp_path, policy, jit_compile, tolerance
):
    keras.config.set_dtype_policy(policy)
    plain = make_tuner(run_eagerly=True)
    stored = make_tuner(jit_compile=jit_compile)
    data = ArrayBatches((images, labels), 8, shuffle=False)
    train = kerastl.store_source_features(stored, data, tmp_path / "store")
    _forget(stored)
    _assert_same(
        _fit(plain, data), _fit(stored, train), (plain, stored), tolerance
    )
