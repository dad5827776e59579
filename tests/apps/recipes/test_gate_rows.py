import keras
import numpy as np
import pytest

from kerastl.apps.data.load_digits_pair import load_digits_pair
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.recipes.recipe import warm_cosine_decay
from kerastl.apps.recipes.recipe import warm_up_steps
from kerastl.apps.recipes.recipe_table import get_recipe
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.train_network import train_network
from kerastl.optimizers.grouped_optimizer import optimizer_parts

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.usefixtures("eagerly"),
    pytest.mark.filterwarnings("ignore:A network without gates ships"),
]


@pytest.mark.parametrize("name", ["adafilter+delta", "spottune"])
def test_trains_gated_and_ships_plain(name):
    keras.utils.set_random_seed(0)
    data = load_digits_pair(
        shots=5, image_size=24, batch_size=8, validation_shots=2
    ).target
    source = get_preset("resnet8").build(input_shape=(24, 24, 3))
    student, _ = prepare_student(source, data.num_classes, seed=0)
    trained, history = train_network(
        student, source, get_recipe(name), data, epochs=2, learning_rate=0.01
    )
    assert np.isfinite(history["loss"]).all()
    assert [layer.name for layer in trained.layers] == [
        layer.name for layer in student.layers
    ]
    assert trained.count_params() == student.count_params()
    moved = [
        np.abs(one - other).max()
        for one, other in zip(
            trained.get_weights(), student.get_weights(), strict=True
        )
    ]
    assert max(moved) > 0


def highest(optimizer, recipe, setting):
    """The rate of an optimizer where it has risen."""
    if recipe.schedule is warm_cosine_decay:
        optimizer.iterations.assign(warm_up_steps(setting.steps))
    return float(optimizer.learning_rate)


@pytest.fixture
def rates_of(make_setting):
    """The highest learning rates by layer of a recipe's optimizer."""

    def find(names):
        setting, recipe = make_setting(), get_recipe(names)
        setting.student = recipe.surgery(setting)
        optimizer = recipe.optimizer(setting)
        parts = optimizer_parts(optimizer, setting.student.trainable_variables)
        return optimizer, {
            variable.path.split("/")[0]: highest(part, recipe, setting)
            for part, held in parts
            for variable in held
        }

    return find


def _decides(name):
    return name.startswith("policy_") or "gate" in name


@pytest.mark.parametrize("name, factor", [("adafilter", 10), ("spottune", 0.1)])
@pytest.mark.parametrize("other", ["fine_tune", "ema", "cyclic", "kakurenbo"])
def test_what_decides_has_a_rate_of_its_own(name, factor, other, rates_of):
    optimizer, rates = rates_of(f"{name}+{other}")
    assert any(map(_decides, rates))
    for layer, rate in rates.items():
        expected = 0.001 * (factor if _decides(layer) else 1)
        assert rate == pytest.approx(expected), layer
    assert all(
        part.use_ema == (other == "ema")
        and isinstance(part, keras.optimizers.Adam)
        for part in optimizer.optimizers
    )


@pytest.mark.parametrize("name", ["adafilter", "spottune"])
def test_the_network_keeps_its_rates_by_layer(name, rates_of, make_setting):
    _, rates = rates_of(f"{name}+layer_decay")
    setting = make_setting()
    setting.student = get_recipe(name).surgery(setting)
    plain = get_recipe("layer_decay").optimizer(setting)
    parts = optimizer_parts(plain, setting.student.trainable_variables)
    factor = {"adafilter": 10, "spottune": 0.1}[name]
    for part, held in parts:
        for layer in {variable.path.split("/")[0] for variable in held}:
            expected = highest(part, get_recipe("layer_decay"), setting)
            expected *= factor if _decides(layer) else 1
            assert rates[layer] == pytest.approx(expected), layer
