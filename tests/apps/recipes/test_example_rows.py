import dataclasses

import keras
import numpy as np
import pytest

from kerastl.apps.data.load_digits_pair import load_digits_pair
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.recipes.recipe_table import get_recipe
from kerastl.apps.runs.train_network import train_network

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.usefixtures("eagerly"),
]


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Breaks off when the third epoch starts."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise Killed


class Steps(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.counts = []

    def on_epoch_begin(self, epoch, logs=None):
        self.counts.append(0)

    def on_train_batch_end(self, batch, logs=None):
        self.counts[-1] += 1


def train(name, checkpoint=None, extra=(), epochs=4):
    """Trains on 25 digits in batches of 4; returns history and student."""
    keras.utils.set_random_seed(0)
    data = load_digits_pair(
        shots=5, image_size=24, batch_size=4, validation_shots=2
    ).target
    student = get_preset("resnet8").build(input_shape=(24, 24, 3), classes=5)
    recipe = get_recipe(name)
    make = recipe.callbacks
    recipe = dataclasses.replace(
        recipe, callbacks=lambda setting: [*make(setting), *extra]
    )
    return train_network(
        student,
        None,
        recipe,
        data,
        epochs,
        learning_rate=0.05,
        checkpoint=checkpoint,
        seed=1,
    )


@pytest.mark.parametrize("name", ["tcr", "disturb_label"])
def test_changed_labels(name):
    _, history = train(name, epochs=2)
    assert len(history[name]) == 2 and np.isfinite(history["loss"]).all()
    assert history[name][0] == 0.0
    assert (history[name][1] > 0) == (name == "tcr")


def test_doubtful_labels_leave():
    steps = Steps()
    _, history = train("filtered_transfer+tcr", extra=[steps], epochs=3)
    assert steps.counts[0] == 7 > steps.counts[2] > 0
    assert len(history["tcr"]) == 3


@pytest.mark.slow
def test_hiding_goes_on_after_a_kill(tmp_path):
    whole, expected = train("kakurenbo")
    path = tmp_path / "state.npz"
    with pytest.raises(Killed):
        train("kakurenbo", path, [Kill()])
    resumed, history = train("kakurenbo", path)
    for column, values in expected.items():
        np.testing.assert_allclose(
            history[column], values, rtol=1e-4, atol=1e-4, err_msg=column
        )
    for one, other in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(other),
            keras.ops.convert_to_numpy(one),
            rtol=1e-3,
            atol=1e-4,
            err_msg=one.path,
        )
