"""The factor of the weights that a method has in the table."""

import keras
import pytest

from kerastl import apps
from kerastl.apps.recipes.recipe import nothing
from kerastl.apps.runs.check_method import check_strength
from kerastl.apps.runs.train_network import make_tuner

pytestmark = pytest.mark.tensorflow_only


def test_scales_every_term(make_setting):
    weights = []
    for strength in (1.0, 0.3):
        setting = make_setting()
        setting.strength = strength
        tuner = make_tuner(apps.get_recipe("ktft+bss"), setting, False)
        weights.append([term.weight for term in tuner.transfer_losses])
    assert weights[0] == [10.0, 10.0, 0.001]
    assert weights[1] == pytest.approx([3.0, 3.0, 0.0003])


@pytest.mark.parametrize(
    "name, same, new",
    [
        ("ktft", 10.0, 0.1),
        ("delta", 10.0, 0.1),
        ("feature_map", 10.0, 0.1),
        ("lwf", 1.0, 0.1),
        ("distillation", 1.0, 0.1),
        ("co_tuning", 2.3, 0.23),
    ],
)
def test_the_source_holds_less_where_the_classes_are_new(
    name, same, new, make_setting
):
    weights = []
    for new_head in (False, True):
        setting = make_setting()
        setting.new_head = new_head
        terms = apps.get_recipe(name).transfer_losses(setting)
        (weight,) = {term.weight for term in terms}
        weights.append(weight)
    assert weights == pytest.approx([same, new])


def test_scales_the_penalty_of_the_pre_trained_weights(make_setting):
    penalties = []
    for strength in (1.0, 2.0, 5.0):
        keras.utils.set_random_seed(0)
        setting = make_setting()
        setting.strength = strength
        make_tuner(apps.get_recipe("l2"), setting, False)
        penalties.append(sum(map(float, setting.student.losses)))
    once, twice, five_times = penalties
    # What is left is the head's, which stays.
    assert 0 < 2 * once - twice < once
    assert five_times - once == pytest.approx(4 * (twice - once), rel=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, recipe in apps.RECIPES.items()
        if recipe.regularizer is None and recipe.transfer_losses is not nothing
    ],
)
def test_the_table_says_which_terms_have_a_weight(name, make_setting):
    recipe, setting = apps.RECIPES[name], make_setting()
    setting.student = recipe.surgery(setting)
    terms = recipe.transfer_losses(setting)
    assert recipe.weighted == any(term.weight > 0 for term in terms)


def test_nothing_to_scale():
    for name, recipe in apps.RECIPES.items():
        if recipe.regularizer is not None:
            assert recipe.weighted, name
        elif recipe.transfer_losses is nothing:
            assert not recipe.weighted, name
    check_strength(2.0, apps.get_recipe("rifle+l2_sp"))
    check_strength(1.0, apps.get_recipe("rifle"))
    with pytest.raises(ValueError, match="such as ktft .*strength=2.0"):
        check_strength(2.0, apps.get_recipe("rifle+adversarial"))
