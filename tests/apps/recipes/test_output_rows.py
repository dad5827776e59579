import keras
import numpy as np
import pytest

from kerastl.apps.data.load_digits_pair import load_digits_pair
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.recipes.recipe_table import get_recipe
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.train_network import train_network

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.usefixtures("eagerly"),
]


@pytest.mark.parametrize(
    "name, columns",
    [
        ("lwf+distillation", ["lwf", "logits_distillation"]),
        ("co_tuning+bi_tuning", ["co_tuning", "bi_tuning"]),
    ],
)
def test_a_source_head_trains_along(name, columns):
    keras.utils.set_random_seed(0)
    data = load_digits_pair(
        shots=5, image_size=24, batch_size=8, validation_shots=2
    ).target
    source = get_preset("resnet8").build(input_shape=(24, 24, 3), classes=7)
    recipe = get_recipe(name)
    assert recipe.needs_source_head
    student, _ = prepare_student(source, data.num_classes, seed=0)
    trained, history = train_network(
        student, source, recipe, data, epochs=2, learning_rate=0.01
    )
    assert trained.output_shape == (None, 5)
    for column in columns:
        assert np.isfinite(history[column]).all()
        assert history[column][0] != history[column][1]
