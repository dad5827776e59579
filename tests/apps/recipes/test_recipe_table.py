import dataclasses

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.recipes.recipe import Setting
from kerastl.apps.recipes.recipe import warm_constant
from kerastl.apps.recipes.recipe import warm_cosine_decay


@pytest.fixture
def setting():
    return Setting("student", "source", None, epochs=10, steps_per_epoch=10)


@pytest.mark.parametrize("name", ["fine_tune", "l2", "l2_sp", "ktft"])
def test_a_recipe_makes_its_pieces_anew(name, setting):
    recipe = apps.RECIPES[name]
    assert recipe.name == name
    losses = recipe.transfer_losses(setting)
    assert recipe.transfer_losses(setting) is not losses
    assert bool(losses) == recipe.uses_source
    if recipe.regularizer is not None:
        first = recipe.regularizer(setting)
        assert recipe.regularizer(setting) is not first
    assert isinstance(recipe.callbacks(setting), list)
    assert recipe.surgery(setting) == recipe.finish(setting) == "student"
    assert recipe.dataset(setting, "dataset") == "dataset"


def test_ktft_has_its_two_terms(setting):
    pixel, whole = apps.get_recipe("ktft").transfer_losses(setting)
    assert type(pixel).__name__ == "PixelLevel" and pixel.weight == 10.0
    assert type(whole).__name__ == "GlobalLevel" and whole.weight == 10.0


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ValueError, match="mean 'l2_sp'.*method='l2sp'"):
        apps.get_recipe("l2sp")
    with pytest.raises(ValueError, match="mean 'ktft'.*='l2_sp\\+ktf'"):
        apps.get_recipe("l2_sp+ktf")
    # What was written is told, not the nothing behind the sign.
    with pytest.raises(ValueError, match="method='delta\\+'$"):
        apps.get_recipe("delta+")


def test_auto_is_known_and_is_no_recipe():
    with pytest.raises(ValueError, match="mean 'auto'.*method='atuo'"):
        apps.get_recipe("atuo")
    for name in ("auto", "auto+rifle"):
        with pytest.raises(ValueError, match="chosen by the photos.*alone"):
            apps.get_recipe(name)


def test_joined_recipes_add_up(setting):
    joined = apps.get_recipe("ktft+l2_sp")
    assert joined.name == "ktft+l2_sp"
    assert joined.uses_source and joined.exact == "assumed"
    assert len(joined.transfer_losses(setting)) == 2
    assert type(joined.regularizer(setting)).__name__ == "L2SP"
    assert apps.get_recipe("ktft+ktft") is apps.RECIPES["ktft"]


@pytest.mark.parametrize(
    "name, message",
    [
        ("l2+l2_sp", "Only one regularizer.*l2 and l2_sp"),
        ("kakurenbo+filtered_transfer", "Only one method that leaves images"),
        ("ktft+linear_probe", "'linear_probe' does not train the whole"),
        ("reestimate+ktft", "'reestimate' does not train the whole"),
    ],
)
def test_recipes_that_exclude_each_other_say_so(name, message):
    with pytest.raises(ValueError, match=message):
        apps.get_recipe(name)


def test_surgery_is_taken_out_in_the_other_order(setting, monkeypatch):
    def recipe(letter):
        return dataclasses.replace(
            apps.RECIPES["fine_tune"],
            name=letter,
            surgery=lambda setting: setting.student + letter,
            finish=lambda setting: setting.student + letter.upper(),
            dataset=lambda setting, dataset: [*dataset, letter],
        )

    for letter in "ab":
        monkeypatch.setitem(apps.RECIPES, letter, recipe(letter))
    joined = apps.get_recipe("a+b")
    assert joined.surgery(setting) == "studentab"
    assert joined.finish(setting) == "studentBA"
    assert joined.dataset(setting, []) == ["a", "b"]


def test_optimizers_are_adapted_one_after_the_other(setting, monkeypatch):
    def recipe(letter):
        return dataclasses.replace(
            apps.RECIPES["fine_tune"],
            name=letter,
            adapt_optimizer=lambda setting, optimizer: [*optimizer, letter],
        )

    for letter in "ab":
        monkeypatch.setitem(apps.RECIPES, letter, recipe(letter))
    made = dataclasses.replace(
        apps.RECIPES["ema"], make_optimizer=lambda rate, recipe, setting: ["c"]
    )
    monkeypatch.setitem(apps.RECIPES, "c", made)
    setting.learning_rate = 0.01
    joined = apps.get_recipe("a+c+b")
    assert joined.optimizer(setting) == ["c", "a", "b"]


def test_the_learning_rate_rises_and_falls_to_zero(setting):
    recipe = apps.get_recipe("fine_tune")
    with pytest.raises(ValueError, match="learning_rate=None"):
        recipe.optimizer(setting)
    setting.learning_rate = 0.01
    optimizer = recipe.optimizer(setting)
    assert isinstance(optimizer, keras.optimizers.Adam)
    schedule = optimizer._learning_rate
    # Of 100 steps ten rise, and 45 later half of the fall is behind.
    rates = [float(schedule(step)) for step in (0, 5, 10, 55, 100)]
    np.testing.assert_allclose(rates, [0, 0.005, 0.01, 0.005, 0], atol=1e-8)
    setting.epochs = 0
    with pytest.raises(ValueError, match="epochs=0"):
        recipe.optimizer(setting)


@pytest.mark.parametrize(
    ("steps", "rising"), [(100, 10), (40, 4), (8, 4), (5, 2), (2, 1)]
)
@pytest.mark.parametrize("make", [warm_cosine_decay, warm_constant])
def test_the_rate_rises_over_few_steps_too(setting, make, steps, rising):
    setting.epochs, setting.steps_per_epoch = 1, steps
    schedule = make(0.01, setting)
    rates = [float(schedule(step)) for step in range(rising + 1)]
    expected = 0.01 * np.arange(rising + 1) / rising
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


def test_a_single_step_has_its_whole_rate(setting):
    setting.epochs = setting.steps_per_epoch = 1
    assert float(warm_cosine_decay(0.01, setting)(0)) == pytest.approx(0.01)
    assert warm_constant(0.01, setting) == 0.01


def test_random_weights_train_otherwise(setting):
    setting.learning_rate = 0.01
    plain = apps.get_recipe("fine_tune")
    scratch = plain.from_scratch()
    optimizer = scratch.optimizer(setting)
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert optimizer.momentum == 0.9
    assert (plain.batch_norm, scratch.batch_norm) == ("freeze", "train")
    # What lies in front of a probe's classifier does not train at all.
    assert apps.get_recipe("linear_probe").from_scratch().batch_norm == "freeze"
    norm = apps.get_recipe("stoch_norm")
    assert norm.batch_norm == norm.from_scratch().batch_norm == "train"


def test_a_recipe_may_have_a_rate_of_its_own(setting):
    recipe = dataclasses.replace(
        apps.get_recipe("fine_tune"), learning_rate=0.1
    )
    schedule = recipe.optimizer(setting)._learning_rate
    np.testing.assert_allclose(float(schedule(10)), 0.1)


@pytest.mark.parametrize(
    ("name", "steps", "share"),
    [
        ("fine_tune", 4, 0.1),
        ("fine_tune", 39, 39 / 40),
        ("fine_tune", 40, 1),
        ("fine_tune", 4000, 1),
        ("averaged_imprinting", 10, 0.5),
    ],
)
def test_a_training_of_few_steps_has_a_smaller_rate(name, steps, share):
    recipe = apps.get_recipe(name)
    assert recipe.highest_rate(0.001, steps) == pytest.approx(0.001 * share)
    # Random weights have far to go.
    assert recipe.from_scratch().highest_rate(0.001, steps) == 0.001
