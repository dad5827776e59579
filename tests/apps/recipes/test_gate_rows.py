import keras
import numpy as np
import pytest

from kerastl.apps.data.load_digits_pair import load_digits_pair
from kerastl.apps.presets.get_preset import get_preset
from kerastl.apps.recipes.get_recipe import get_recipe
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.train_network import train_network

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
