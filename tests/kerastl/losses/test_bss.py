import keras
import numpy as np
import pytest

import kerastl
from kerastl.losses import BSS
from kerastl.losses import TransferStep


def _step(features):
    return TransferStep(
        None, None, None, None, {}, {}, student_embedding=features
    )


def _value(k, features):
    features = keras.ops.convert_to_tensor(features.astype("float32"))
    return float(BSS(k=k).compute(_step(features)))


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (5, 5)])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_squares_of_the_smallest_singular_values(shape, k):
    features = np.random.default_rng(0).normal(size=shape)
    values = np.linalg.svd(features, compute_uv=False)
    assert _value(k, features) == pytest.approx(
        np.sum(values[-k:] ** 2), rel=1e-4
    )


@pytest.mark.parametrize("shape", [(6, 9), (9, 6)])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_what_diverges_is_told_by_the_loss(shape, value):
    """And not by the decomposition, which some backends end with an error."""
    features = np.random.default_rng(0).normal(size=shape)
    features[1] = value
    assert not np.isfinite(_value(3, features))
    assert not np.isfinite(_value(3, np.full(shape, value)))


@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize("batch", [4, 8])
def test_a_step_goes_along_the_gradient(batch, jit_compile):
    """The embedding is the weight itself: its gradient is known."""
    generator = np.random.default_rng(1)
    inputs = keras.Input((batch,))
    embedding = keras.layers.Dense(6, use_bias=False, name="embedding")(inputs)
    outputs = keras.layers.Dense(2, activation="softmax")(embedding)
    student = keras.Model(inputs, outputs)
    start = generator.normal(size=(batch, 6)).astype("float32")
    layer = student.get_layer("embedding")
    layer.kernel.assign(start)
    tuner = kerastl.FineTuner(student)
    tuner.compile(
        keras.optimizers.SGD(0.1),
        lambda y, p: keras.ops.sum(0 * p, axis=-1),
        transfer_losses=[BSS(0.5, k=2)],
        jit_compile=jit_compile,
    )
    logs = tuner.train_on_batch(
        np.eye(batch, dtype="float32"), np.zeros(batch), return_dict=True
    )
    left, values, right = np.linalg.svd(start, full_matrices=False)
    assert logs["bss"] == pytest.approx(np.sum(values[-2:] ** 2), rel=1e-4)
    gradient = 2 * (left[:, -2:] * values[-2:]) @ right[-2:]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(layer.kernel),
        start - 0.1 * 0.5 * gradient,
        atol=1e-5,
    )


def test_equal_singular_values_do_no_harm():
    features = keras.Variable(np.eye(4, 6, dtype="float32"))
    inputs = keras.Input((4,))
    embedding = keras.layers.Dense(6, use_bias=False, name="embedding")(inputs)
    student = keras.Model(
        inputs, keras.layers.Dense(2, activation="softmax")(embedding)
    )
    kernel = student.get_layer("embedding").kernel
    kernel.assign(features)
    tuner = kerastl.FineTuner(student)
    tuner.compile(
        keras.optimizers.SGD(0.1),
        lambda y, p: keras.ops.sum(0 * p, axis=-1),
        transfer_losses=[BSS(1.0)],
    )
    tuner.train_on_batch(np.eye(4, dtype="float32"), np.zeros(4))
    moved = keras.ops.convert_to_numpy(kernel) - np.eye(4, 6)
    # One direction of length one shrinks by 0.1 * 2, the others stay.
    assert np.linalg.norm(moved) == pytest.approx(0.2, rel=1e-4)


def test_batches_of_any_size(make_network, images, labels):
    """A last batch smaller than the others, and than the embedding."""
    tuner = kerastl.FineTuner(make_network())
    tuner.compile(
        "sgd", "sparse_categorical_crossentropy", transfer_losses=[BSS()]
    )
    history = tuner.fit(images, labels, batch_size=18, verbose=0).history
    assert 0 < history["bss"][0] < np.inf


@pytest.mark.parametrize("k", [0, 1.5, "all", True])
def test_bad_k(k):
    with pytest.raises(ValueError, match="Received: k="):
        BSS(k=k)


def test_a_number_of_numpy():
    assert type(BSS(k=np.int64(2)).get_config()["k"]) is int


def test_config_round_trip():
    loss = BSS(0.2, k=3, name="spectrum")
    config = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == loss.get_config()
