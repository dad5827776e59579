"""Every method in mixed precision, and that its seed reaches what draws.

Step by step, without a graph. That the same seed gives the same result is
shown by the trainings that go on after a kill: each is done twice.
"""

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.runs.train_network import make_tuner

pytestmark = pytest.mark.tensorflow_only

# Without any of them nothing is drawn after the networks are there.
DRAWING = [name for name, row in apps.RECIPES.items() if row.draws]


@pytest.fixture
def train(make_setting, fit):
    """Trains the same network; returns the tuner and the history."""

    def run(names, seed):
        keras.utils.set_random_seed(3)
        keras.config.set_dtype_policy("mixed_float16")
        setting, recipe = make_setting(seed), apps.get_recipe(names)
        tuner = make_tuner(recipe, setting, jit_compile=False)
        tuner.run_eagerly = True
        return tuner, fit(tuner, recipe, setting)

    return run


def test_every_method_is_in_a_group(groups):
    grouped = {name for names in groups for name in names.split("+")}
    trained = {name for name, each in apps.RECIPES.items() if each.trains}
    # It is left out where the system has no WordNet.
    assert trained - grouped <= {"semantic_similarity"}
    assert grouped <= trained
    assert len(groups) <= 8


@pytest.mark.slow
def test_trains_in_mixed_precision(group, train, terms_of):
    tuner, history = train(group, 3)
    scaled = tuner.optimizer
    assert isinstance(scaled, keras.optimizers.LossScaleOptimizer)
    # Steps with gradients that do not fit into float16 are left out.
    assert int(scaled.inner_optimizer.iterations) > 0
    assert terms_of(group) < set(history)
    for name, values in history.items():
        assert np.isfinite(values).all(), name
    for variable in tuner.variables:
        assert "float16" not in variable.dtype, variable.path


def drawn(name, seed, make_setting):
    """All that a method has drawn, or draws from, before the first step.

    Everything else is the same: what is drawn without the method's seed comes
    from Keras's own, and does not differ.
    """
    keras.utils.set_random_seed(3)
    setting, recipe = make_setting(seed), apps.get_recipe(name)
    tuner = make_tuner(recipe, setting, jit_compile=False)
    importance = [
        variable.regularizer.importance
        for variable in tuner.student.trainable_variables
        if getattr(variable.regularizer, "importance", None) is not None
    ]
    seeds = [getattr(each, "seed", 0) for each in recipe.callbacks(setting)]
    values = [*tuner.variables, *importance, np.array(seeds)]
    return [np.ravel(keras.ops.convert_to_numpy(value)) for value in values]


@pytest.mark.parametrize("name", [*DRAWING, "fine_tune", "lwf"])
def test_the_seed_of_each_method_counts(name, make_setting):
    """One at a time: together the draws of one hide those of another."""
    first, second = (
        np.concatenate(drawn(name, seed, make_setting)) for seed in (3, 4)
    )
    assert (first != second).any() == (name in DRAWING)
