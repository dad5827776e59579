"""The recipes that change over time train, alone and with others."""

import warnings

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.recipes.recipe import Setting
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.train_network import train_network

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.usefixtures("eagerly"),
]


@pytest.fixture(scope="module")
def digits():
    return apps.load_digits_pair(shots=8, image_size=24, batch_size=20).target


def _train(method, digits, epochs=2):
    keras.utils.set_random_seed(3)
    source = apps.ResNet8(input_shape=(24, 24, 3), classes=5)
    student, _ = prepare_student(source, num_classes=5, kernel_size=3, seed=0)
    return train_network(
        student,
        source,
        apps.get_recipe(method),
        digits,
        epochs,
        learning_rate=0.05,
        validate=False,
    )


@pytest.mark.parametrize("method", ["lure", "rifle+cyclic+ktft"])
def test_a_recipe_trains(method, digits):
    student, history = _train(method, digits)
    assert np.isfinite(history["loss"]).all() and len(history["loss"]) == 2
    assert ("pixel_level" in history) == ("ktft" in method)
    assert student.output_shape == (None, 5)


@pytest.mark.parametrize(
    "epochs, starts", [(40, [0, 10, 20, 30]), (3, [0, 1, 2])]
)
def test_periods(epochs, starts):
    setting = Setting("student", None, None, epochs, steps_per_epoch=5)
    setting.learning_rate = 0.1
    schedule = apps.get_recipe("cyclic").optimizer(setting)._learning_rate
    rates = [float(schedule(step)) for step in range(setting.steps)]
    peaks = [
        step for step, rate in enumerate(rates) if rate == pytest.approx(0.1)
    ]
    assert peaks == [5 * start for start in starts]


@pytest.mark.parametrize(
    "epochs, periods", [(40, 4), (24, 3), (20, 2), (3, 2), (1, 1)]
)
def test_a_fresh_classifier_has_time_to_come_back(epochs, periods):
    setting = Setting("student", None, None, epochs, steps_per_epoch=5, seed=7)
    (rifle,) = apps.get_recipe("rifle").callbacks(setting)
    assert (rifle.periods, rifle.seed) == (periods, 7)


def test_too_few_steps_for_a_fresh_classifier_are_told():
    enough, few = (
        Setting("student", None, None, epochs, steps_per_epoch=5, seed=7)
        for epochs in (16, 15)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        apps.get_recipe("rifle").callbacks(enough)
    with pytest.warns(UserWarning, match="80 steps at least.*steps=75"):
        apps.get_recipe("rifle").callbacks(few)
