"""A rate of its own for the classifier: what each weight really moves."""

import keras
import numpy as np
import pytest

import kerastl
from kerastl.optimizers import gate_optimizer
from kerastl.optimizers import head_optimizer

RATE = 0.125
FACTOR = 4.0


def _is_head(path):
    return path.split("/")[0].startswith("predictions")


def _sgd(model, **options):
    return keras.optimizers.SGD(RATE, momentum=0.9, **options)


def _made(base, **options):
    return lambda model: head_optimizer(model, base(model, **options), FACTOR)


@pytest.mark.parametrize("tuner", [False, True])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_head_moves_as_many_times_as_far(
    make_model, images, labels, step, tuner, jit_compile
):
    if jit_compile and keras.backend.backend() != "tensorflow":
        pytest.skip("JAX always compiles")
    plain = step(make_model(_sgd, tuner=tuner), images, labels)
    model = make_model(_made(_sgd), tuner=tuner, jit_compile=jit_compile)
    found = step(model, images, labels)
    heads = 0
    for path, change in plain.items():
        heads += _is_head(path)
        factor = FACTOR if _is_head(path) else 1.0
        np.testing.assert_allclose(
            found[path], factor * change, rtol=1e-3, atol=1e-6
        )
    assert heads == 2


def test_all_gradients_are_clipped_as_one(make_model, images, labels, step):
    """As of one optimizer: the head is not clipped by itself."""
    plain = step(make_model(_sgd), images, labels)
    norm = np.sqrt(sum((change**2).sum() for change in plain.values())) / RATE
    clipped = 0.25 * norm
    found = step(
        make_model(_made(_sgd, global_clipnorm=clipped)), images, labels
    )
    for path, change in plain.items():
        factor = 0.25 * (FACTOR if _is_head(path) else 1.0)
        np.testing.assert_allclose(
            found[path], factor * change, rtol=1e-3, atol=1e-6
        )


def test_the_average_of_the_weights_is_that_of_both(make_model, images, labels):
    model = make_model(_made(_sgd, use_ema=True, ema_momentum=0.5))
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(
                [
                    keras.ops.convert_to_numpy(weight).copy()
                    for weight in self.model.trainable_variables
                ]
            )

    model.fit(
        images,
        labels,
        batch_size=len(images),
        epochs=4,
        verbose=0,
        validation_data=(images, labels),
        callbacks=[keras.callbacks.SwapEMAWeights(), Watch()],
    )
    assert len(seen) == 4
    for place, weight in enumerate(model.trainable_variables):
        average = seen[0][place]
        for values in seen[1:]:
            average = 0.5 * average + 0.5 * values[place]
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(weight), average, atol=1e-5
        )


def test_it_trains_in_half_precision(make_network, images, labels):
    keras.config.set_dtype_policy("mixed_float16")
    model = make_network()
    model.compile(
        _made(_sgd, global_clipnorm=3.0)(model),
        "sparse_categorical_crossentropy",
    )
    before = [
        keras.ops.convert_to_numpy(weight).copy()
        for weight in model.trainable_variables
    ]
    model.train_on_batch(images, labels)
    moved = [
        np.abs(keras.ops.convert_to_numpy(weight) - old).max()
        for weight, old in zip(model.trainable_variables, before, strict=True)
    ]
    assert np.isfinite(moved).all() and max(moved) > 0


def test_saved_and_loaded_it_goes_on_alike(
    make_model, images, labels, step, tmp_path
):
    model = make_model(_made(_sgd, global_clipnorm=0.5))
    step(model, images, labels)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.global_clipnorm == 0.5
    expected = step(model, images, labels)
    for path, change in step(loaded, images, labels).items():
        np.testing.assert_allclose(change, expected[path], atol=1e-6)


def test_gates_go_on_top_of_it(make_model, images, labels, step):
    def gated(model):
        base = head_optimizer(model, _sgd(model, global_clipnorm=2.0), FACTOR)
        return gate_optimizer(model, base)

    model = make_model(gated, rewrite=kerastl.surgery.add_gated_filters)
    assert model.optimizer.global_clipnorm == 2.0
    step(model, images, labels)
    rates = sorted(
        float(keras.ops.convert_to_numpy(part.learning_rate))
        for part in model.optimizer.optimizers
    )
    assert rates == pytest.approx([RATE, RATE * FACTOR, RATE * 10])


@pytest.mark.parametrize("factor", [0, -1, float("nan"), "2"])
def test_a_factor_that_is_none(make_network, factor):
    with pytest.raises(ValueError, match="`factor` must be.*above 0"):
        head_optimizer(make_network(), "sgd", factor)


def test_nothing_beside_the_head(make_network):
    network = make_network()
    for layer in network.layers[:-1]:
        layer.trainable = False
    with pytest.raises(ValueError, match="Only the classifier"):
        head_optimizer(network, "sgd")
    with pytest.raises(ValueError, match="must be a plain"):
        scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
        head_optimizer(make_network(), scaled)
