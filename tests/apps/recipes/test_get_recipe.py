import keras
import numpy as np
import pytest

from kerastl import apps


def test_every_recipe_makes_its_pieces_anew():
    for name, recipe in apps.RECIPES.items():
        assert recipe.name == name
        assert recipe.transfer_losses() is not recipe.transfer_losses()
        assert bool(recipe.transfer_losses()) == recipe.uses_source
        if recipe.regularizer is not None:
            assert recipe.regularizer() is not recipe.regularizer()
        assert isinstance(recipe.callbacks(), list)


def test_ktft_has_its_two_terms():
    pixel, whole = apps.get_recipe("ktft").transfer_losses()
    assert type(pixel).__name__ == "PixelLevel" and pixel.weight == 10.0
    assert type(whole).__name__ == "GlobalLevel" and whole.weight == 10.0


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ValueError, match="mean 'l2_sp'.*method='l2sp'"):
        apps.get_recipe("l2sp")
    with pytest.raises(ValueError, match="mean 'ktft'"):
        apps.get_recipe("l2_sp+ktf")


def test_joined_recipes_add_up():
    joined = apps.get_recipe("ktft+l2_sp")
    assert joined.name == "ktft+l2_sp"
    assert joined.uses_source and joined.exact == "assumed"
    assert len(joined.transfer_losses()) == 2
    assert type(joined.regularizer()).__name__ == "L2SP"
    assert apps.get_recipe("ktft+ktft") is apps.RECIPES["ktft"]


@pytest.mark.parametrize(
    "name, message",
    [
        ("l2+l2_sp", "Only one regularizer.*l2 and l2_sp"),
        ("ktft+linear_probe", "'linear_probe' does not train the whole"),
        ("reestimate+ktft", "'reestimate' does not train the whole"),
    ],
)
def test_recipes_that_exclude_each_other_say_so(name, message):
    with pytest.raises(ValueError, match=message):
        apps.get_recipe(name)


def test_the_optimizer_falls_to_zero():
    recipe = apps.get_recipe("fine_tune")
    optimizer = recipe.optimizer(steps=100, learning_rate=0.01)
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert optimizer.momentum == 0.9
    schedule = optimizer._learning_rate
    rates = [float(schedule(step)) for step in (0, 50, 100)]
    np.testing.assert_allclose(rates, [0.01, 0.005, 0], atol=1e-8)
    with pytest.raises(ValueError, match="learning_rate=None"):
        recipe.optimizer(steps=100)
    with pytest.raises(ValueError, match="steps=0"):
        recipe.optimizer(steps=0, learning_rate=0.1)
    assert apps.get_recipe("linear_probe").optimizer(steps=1) is not None
