"""Every recipe of this group trains on the digits and ships a plain network."""

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl import layers
from kerastl.apps.recipes.layer_rows import LAYER_ROWS
from kerastl.apps.recipes.recipe import Setting
from kerastl.apps.runs.train_network import train_network

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.usefixtures("eagerly"),
]

PUT_IN = {
    "stoch_norm": (layers.StochNorm, 7),
    "cbs": (layers.GaussianSmoothing2D, 7),
    "ddac": (layers.AdaptiveBlurPooling2D, 3),
    "drop_connect": (layers.DropConnectDense, 1),
    "stochastic_depth": (layers.StochasticDepth, 3),
}


def _count(model, kind):
    return sum(isinstance(layer, kind) for layer in model.layers)


@pytest.mark.parametrize("name", [row.name for row in LAYER_ROWS])
def test_a_recipe_trains_and_ships(name, student, digits):
    recipe = apps.get_recipe(name)
    setting = Setting(student, None, digits, 2, 3, 0.01)
    kind, count = PUT_IN[name]
    assert _count(recipe.surgery(setting), kind) == count
    network, history = train_network(
        student, None, recipe, digits, 2, learning_rate=0.01, validate=False
    )
    assert np.isfinite(history["loss"]).all() and len(history["loss"]) == 2
    left = _count(network, (*(kind for kind, _ in PUT_IN.values()),))
    assert left == (3 if name == "ddac" else 0)
    if name == "cbs":
        # The scaled curriculum has ended in the identity.
        assert _count(network, keras.layers.DepthwiseConv2D) == 0


def test_blurs_that_are_there_are_used(student, digits):
    import kerastl

    blurred = kerastl.antialias(student, kernel_size=5)
    setting = Setting(blurred, None, digits, 1, 1)
    adapted = apps.get_recipe("ddac").surgery(setting)
    blurs = [x for x in adapted.layers if isinstance(x, layers.BlurPooling2D)]
    assert {blur.kernel_size for blur in blurs} <= {(5, 5), (1, 1)}


def test_all_of_them_together(student, digits):
    names = "+".join(PUT_IN)
    network, history = train_network(
        student, None, apps.get_recipe(names), digits, 1, learning_rate=0.01
    )
    assert np.isfinite(history["val_loss"]).all()
    assert _count(network, layers.AdaptiveBlurPooling2D) == 3
    assert _count(network, layers.StochNorm) == 0
