"""Every method goes on after a kill as if nothing had happened."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.runs.train_network import train_network

pytestmark = [pytest.mark.tensorflow_only, pytest.mark.slow]


class KeepFirstEpoch(keras.callbacks.Callback):
    """Copies the checkpoint that a kill in the second epoch would leave."""

    def __init__(self, checkpoint, copy):
        super().__init__()
        self.checkpoint = checkpoint
        self.copy = copy

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            shutil.copyfile(self.checkpoint, self.copy)


def train(names, setting, checkpoint, *more):
    recipe = apps.get_recipe(names)
    make = recipe.callbacks
    recipe = dataclasses.replace(
        recipe, callbacks=lambda setting: [*make(setting), *more]
    )
    network, _ = train_network(
        setting.student,
        setting.source,
        recipe,
        setting.data,
        setting.epochs,
        setting.learning_rate,
        checkpoint=checkpoint,
        source_classes=setting.source_classes,
    )
    with np.load(checkpoint) as saved:
        return network.get_weights(), dict(saved)


@pytest.mark.filterwarnings("ignore:A network without gates ships")
def test_a_resumed_training_equals_an_uninterrupted_one(
    group, make_setting, tmp_path
):
    whole, killed = tmp_path / "whole.npz", tmp_path / "killed.npz"
    keep = KeepFirstEpoch(whole, killed)
    weights, expected = train(group, make_setting(), whole, keep)
    # A new process has the same networks: its source comes from a file.
    keras.utils.set_random_seed(1234)
    resumed, found = train(group, make_setting(), killed)
    assert '"epoch": [1, 2]' in str(found["state"])
    # All that a training has: weights, generators, queues, momentum, history.
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    for one, other in zip(weights, resumed, strict=True):
        np.testing.assert_array_equal(other, one)
