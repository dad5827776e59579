"""The attack against NumPy, and what a tuner trains on."""

import json

import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl import adversarial_images
from kerastl.losses import Adversarial

# All terms see the images that it makes, from where its own draw lets it begin.
DIFFERS_IN = {"xla", "replicas", "another process"}


def make_terms(source):
    """What test_every_term trains, from a source of 7 classes."""
    return [Adversarial(steps=1)]


X = np.random.default_rng(0).uniform(20, 235, (6, 4)).astype("f4")
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def linear():
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Dense(3, activation="softmax", name="dense"),
        ]
    )


def small_network():
    """Quick to trace, with BatchNormalization that no attack must move."""
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            keras.layers.Conv2D(8, 3, strides=2, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax", name="predictions"),
        ]
    )


@pytest.fixture
def make_tuner():
    """Builds a tuner; to trace an attack takes longer than a few steps."""

    def make(*terms, run_eagerly=True, **kwargs):
        keras.utils.set_random_seed(6)
        tuner = kerastl.FineTuner(small_network())
        tuner.compile(
            keras.optimizers.SGD(0.05),
            "sparse_categorical_crossentropy",
            transfer_losses=list(terms),
            run_eagerly=run_eagerly,
            **{"jit_compile": False, **kwargs},
        )
        return tuner

    return make


def attack(model, x, y, epsilon, step_size, steps):
    kernel, bias = model.get_layer("dense").get_weights()
    x0 = x.astype("f8")
    x = x0
    for _ in range(steps):
        logits = x / 255 @ kernel + bias
        p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        gradient = (p - np.eye(3)[y]) @ kernel.T
        x = x + step_size * np.sign(gradient)
        x = np.clip(np.clip(x, x0 - epsilon, x0 + epsilon), 0, 255)
    return x


@pytest.mark.parametrize("one_hot", [False, True])
def test_values(linear, one_hot):
    expected = attack(linear, X, Y, 30, 12, 3)
    attacked = adversarial_images(
        linear, X, np.eye(3)[Y] if one_hot else Y, 30, 12, 3,
        random_start=False,
    )  # fmt: skip
    np.testing.assert_allclose(attacked, expected, atol=1e-3)
    assert np.abs(expected - X).max() == pytest.approx(30)


def test_gradients_too_small_for_half_precision(linear):
    """They are scaled: an attack is its signs alone."""
    _, bias = linear.get_layer("dense").get_weights()
    # Whatever the label, no gradient is a small difference of large ones.
    tiny = np.outer([1, -1, -1, 1], [2, -1, 1]) * 3e-6
    expected = attack(_with(linear, tiny, bias), X, Y, 30, 12, 1)
    assert np.abs(expected - X).min() > 1
    keras.config.set_dtype_policy("mixed_float16")
    half = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Dense(3, activation="softmax", name="dense"),
        ]
    )
    found = adversarial_images(
        _with(half, tiny, bias), X, Y, 30, 12, 1, random_start=False
    )
    np.testing.assert_allclose(found, expected, atol=1e-3)


def _with(model, kernel, bias):
    model.get_layer("dense").set_weights([kernel, bias])
    return model


def test_it_stays_in_the_range_and_makes_the_loss_grow(
    make_network, images, labels
):
    model = make_network()
    images = np.where(images < 128, images / 32, images)
    attacked = ops.convert_to_numpy(
        adversarial_images(model, images, labels, 8.0, seed=1)
    )
    assert np.abs(attacked - images).max() <= 8 + 1e-3
    assert attacked.min() >= 0 and attacked.max() <= 255

    def loss(x):
        p = ops.convert_to_numpy(model(x))
        return -np.log(p[np.arange(len(labels)), labels])

    noise = np.random.default_rng(2).choice([-8.0, 8.0], images.shape)
    noisy = np.clip(images + noise, 0, 255)
    assert (loss(attacked) > loss(images)).all()
    assert loss(attacked).mean() > loss(noisy).mean()


@pytest.mark.parametrize("inputs", ["array", "dict"])
def test_a_tuner_trains_on_attacked_images(
    make_tuner, images, labels, monkeypatch, inputs
):
    tuner = make_tuner(Adversarial(steps=2))
    monkeypatch.setattr(
        "kerastl.losses.adversarial.adversarial_images",
        lambda *args, seed: adversarial_images(*args, random_start=False),
    )
    attacked = ops.convert_to_numpy(
        adversarial_images(
            tuner.student, images, labels, steps=2, random_start=False
        )
    )
    x = images if inputs == "array" else {"images": images}
    first = tuner.train_on_batch(x, labels, return_dict=True)
    plain = make_tuner()
    second = plain.train_on_batch(attacked, labels, return_dict=True)
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)
    assert first["adversarial"] == 0
    for one, other in zip(
        tuner.student.weights, plain.student.weights, strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-4, err_msg=one.path)


def test_every_step_starts_elsewhere_and_seeds_repeat(
    make_tuner, images, labels
):
    # Without a step of the attack's own size the start is what is left.
    def losses():
        tuner = make_tuner(
            Adversarial(epsilon=60.0, step_size=1e-6, steps=1, seed=3)
        )
        tuner.optimizer.learning_rate = 0.0
        return tuner.fit(
            np.repeat(images[:8], 3, 0),
            np.repeat(labels[:8], 3),
            batch_size=24,
            epochs=3,
            shuffle=False,
            verbose=0,
        ).history["loss"]

    first = losses()
    assert len(set(first)) == 3
    assert losses() == first


@pytest.mark.tensorflow_only
def test_xla_trains(make_tuner, images, labels):
    tuner, plain = (
        make_tuner(
            Adversarial(steps=2, seed=0), run_eagerly=False, jit_compile=jit
        )
        for jit in (True, False)
    )
    for each in (tuner, plain):
        each.fit(images, labels, batch_size=24, verbose=0, epochs=2)
    found, expected = (each.history.history for each in (tuner, plain))
    # XLA draws other starts; two steps of 2 reach as far from all of them.
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=0.05)


def test_half_precision_keeps_the_direction(make_tuner, images, labels):
    keras.config.set_dtype_policy("mixed_float16")
    tuner = make_tuner(Adversarial(steps=1))
    attacked = ops.convert_to_numpy(
        adversarial_images(
            tuner.student, images, labels, steps=1, random_start=False
        )
    )
    assert (np.abs(attacked - images) > 1.9).mean() > 0.95
    logs = tuner.train_on_batch(images, labels, return_dict=True)
    assert np.isfinite(logs["loss"])


@pytest.mark.slow
def test_training_goes_on_in_another_process(
    make_tuner, images, labels, tmp_path, run_in_fresh_process
):
    tuner = make_tuner(Adversarial(6.0, 3.0, 2, seed=3), run_eagerly=False)
    fit = {"batch_size": 24, "verbose": 0, "shuffle": False}
    tuner.fit(images, labels, **fit)
    tuner.save(tmp_path / "tuner.keras")
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    printed = run_in_fresh_process(
        """
        import json, sys
        import keras, numpy as np
        import kerastl
        folder = sys.argv[1]
        data = np.load(folder + "/data.npz")
        tuner = keras.saving.load_model(folder + "/tuner.keras")
        history = tuner.fit(
            data["images"], data["labels"], batch_size=24, verbose=0,
            shuffle=False, epochs=2,
        ).history
        print(json.dumps([tuner.transfer_losses[0].get_config(), history]))
        """,
        tmp_path,
    )
    config, history = json.loads(printed.splitlines()[-1])
    (term,) = tuner.transfer_losses
    assert {**config, "value_range": (0.0, 255.0)} == term.get_config()
    # Files of Keras do not keep where random generators are.
    (layer,) = term.layers
    layer.generator.state.assign([3, 0])
    expected = tuner.fit(images, labels, epochs=2, **fit).history
    assert history.keys() == expected.keys()
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-4)


@pytest.mark.parametrize(
    "arguments",
    [{"epsilon": 0}, {"step_size": -1}, {"steps": 0}, {"value_range": (1, 0)}],
)
def test_errors_and_config(arguments):
    ((name, _),) = arguments.items()
    with pytest.raises(ValueError, match=f"Received.*{name}="):
        Adversarial(**arguments)
    term = Adversarial(4.0, steps=3, seed=9)
    clone = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(term)
    )
    assert clone.get_config() == term.get_config()
