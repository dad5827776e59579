"""Every recipe of this group trains on the digits as it says."""

import dataclasses

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.recipes.course_rows import OPTIMIZER_ROWS
from kerastl.apps.recipes.recipe import Setting
from kerastl.apps.runs.train_network import train_network

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.usefixtures("eagerly"),
]


@pytest.fixture
def train(student, digits):
    def run(name, epochs=2):
        network, history = train_network(
            student,
            None,
            apps.get_recipe(name),
            digits,
            epochs,
            learning_rate=0.01,
        )
        assert np.isfinite(history["loss"]).all()
        assert len(history["loss"]) == epochs
        return network

    return run


@pytest.mark.parametrize("name", [row.name for row in OPTIMIZER_ROWS])
def test_a_recipe_trains(name, train):
    train(name)


def test_staged_unfreezing_reaches_the_input(student, digits, train):
    setting = Setting(student, None, digits, 2, 3, learning_rate=0.01)
    optimizer = apps.get_recipe("staged_unfreezing").optimizer(setting)
    optimizer.build(student.trainable_variables)
    for step, frozen in ((0, True), (3, False)):
        rates = [
            float(part._learning_rate(step)) for part in optimizer.optimizers
        ]
        assert any(rate == 0 for rate in rates) == frozen
    before = student.get_layer("stem").kernel.numpy()
    network = train("staged_unfreezing")
    assert np.abs(network.get_layer("stem").kernel.numpy() - before).max() > 0


def test_the_shipped_weights_are_the_average(student, digits, monkeypatch):
    recipe = apps.get_recipe("ema")
    setting = Setting(student, None, digits, 4, 10, learning_rate=0.01)
    optimizer = recipe.optimizer(setting)
    assert optimizer.use_ema and optimizer.ema_momentum == 0.75
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(student.get_layer("head").kernel.numpy())

    recipe = dataclasses.replace(recipe, callbacks=lambda setting: [Watch()])
    train_network(
        student, None, recipe, digits, 5, learning_rate=0.01, validate=False
    )
    average = seen[0]
    momentum = 1 - 10 / len(seen)
    for value in seen[1:]:
        average = momentum * average + (1 - momentum) * value
    np.testing.assert_allclose(
        student.get_layer("head").kernel.numpy(), average, atol=1e-5
    )


@pytest.mark.parametrize("name", ["ema", "averaged_imprinting"])
def test_validation_looks_at_the_average_that_ships(student, digits, name):
    network, history = train_network(
        student, None, apps.get_recipe(name), digits, 3, learning_rate=0.01
    )
    network.compile(
        loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    loss, accuracy = network.evaluate(digits.validation, verbose=0)
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-4)
    assert history["val_accuracy"][-1] == pytest.approx(accuracy)


def test_an_average_over_half_of_a_steady_training(student, digits):
    recipe = apps.get_recipe("averaged_imprinting")
    assert recipe.highest_rate(0.0005) == 0.001
    setting = Setting(student, None, digits, 4, 10, learning_rate=0.001)
    optimizer = recipe.optimizer(setting)
    assert optimizer.use_ema
    assert optimizer.ema_momentum == pytest.approx(1 - 2 / 40)
    assert optimizer.global_clipnorm == 3
    rates = [float(optimizer._learning_rate(step)) for step in range(40)]
    np.testing.assert_allclose(rates[:4], [0, 0.00025, 0.0005, 0.00075])
    np.testing.assert_allclose(rates[4:], 0.001)
    # Of random weights nothing is averaged that has yet to be learned.
    scratch = recipe.from_scratch()
    assert scratch.highest_rate(0.003) == 0.003
    setting.learning_rate = 0.003
    assert not scratch.optimizer(setting).use_ema
