import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl.apps.data.augmentation import Augmentation
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.recipes.recipe import Recipe
from kerastl.apps.runs.train_network import train_network

from ..coloured_part import coloured_part

pytestmark = pytest.mark.tensorflow_only

EPOCHS = 4


@keras.saving.register_keras_serializable(package="test")
class Translated(kerastl.losses.TransferLoss):
    """A term with weights of its own, which are trained."""

    def build(self, tuner):
        self.projection = keras.layers.Dense(4, name="projection")
        self.projection.build((None, None, None, 4))

    @property
    def layers(self):
        return [self.projection]

    def call(self, student, source):
        return sum(
            keras.ops.mean((self.projection(student[tap]) - source[tap]) ** 2)
            for tap in student
        )


def make_network(seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dropout(0.4, name="dropout")(x)
    x = keras.layers.Dense(3, activation="softmax", name="head")(x)
    return keras.Model(inputs, x)


def make_data():
    generator = np.random.default_rng(0)
    train, validation = (coloured_part(generator, n) for n in (30, 9))
    return ImageData(
        {"train": train, "validation": validation},
        "abc",
        12,
        batch_size=8,
        augmentation=Augmentation(),
        seed=5,
    )


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Breaks off in the middle of the third epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if len(self.model.history.epoch) == 2 and batch == 1:
            raise Killed


def train(path=None, callbacks=(), batch_norm="train", **options):
    """Returns the trained student and the history."""
    # What a resumed run finds anew: the networks, as the seed makes them.
    source, student = make_network(1), make_network(2)
    recipe = Recipe(
        "test",
        "Test",
        "",
        "",
        uses_source=True,
        transfer_losses=lambda setting: [Translated(0.1, taps=["relu"])],
        callbacks=lambda setting: list(callbacks),
        batch_norm=batch_norm,
    )
    return train_network(
        student,
        source,
        recipe,
        make_data(),
        EPOCHS,
        learning_rate=0.05,
        checkpoint=path,
        **options,
    )


@pytest.mark.parametrize("batch_norm", ["train", "reestimate"])
def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path, batch_norm):
    path = tmp_path / "state.npz"
    whole, expected = train(batch_norm=batch_norm)
    with pytest.raises(Killed):
        train(path, [Kill()], batch_norm)
    with np.load(path) as saved:
        assert '"epoch": [1, 2]' in str(saved["state"])
    resumed, history = train(path, batch_norm=batch_norm)
    assert history.keys() == expected.keys() > {"loss", "val_loss"}
    for name, values in expected.items():
        np.testing.assert_allclose(
            history[name], values, rtol=1e-4, atol=1e-4, err_msg=name
        )
    assert len(set(expected["loss"])) == EPOCHS
    for one, other in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(other),
            keras.ops.convert_to_numpy(one),
            rtol=1e-4,
            atol=1e-4,
            err_msg=one.path,
        )


def read_curves(folder):
    """Values by step of each scalar that TensorBoard finds in a folder."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    tensor_util = pytest.importorskip("tensorboard.util.tensor_util")
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: {
            event.step: float(tensor_util.make_ndarray(event.tensor_proto))
            for event in events.Tensors(tag)
        }
        for tag in events.Tags()["tensors"]
    }


def test_the_curves_can_be_read_while_it_trains(tmp_path):
    path, logs, seen = tmp_path / "state.npz", tmp_path / "logs", []
    options = {
        "log_dir": logs,
        "record": lambda columns: seen.append(json.dumps(columns)),
    }
    with pytest.raises(Killed):
        train(path, [Kill()], **options)
    assert [json.loads(each)["epoch"] for each in seen] == [[1], [1, 2]]
    _, history = train(path, **options)
    assert len(seen) == EPOCHS and json.loads(seen[-1]) == history
    # What was resumed goes on behind what there was.
    for part, prefix in (("train", ""), ("validation", "val_")):
        curves = read_curves(logs / part)
        for name in ("loss", "accuracy"):
            values = history[prefix + name]
            assert curves[f"epoch_{name}"] == pytest.approx(
                dict(enumerate(values)), rel=1e-5
            )


def test_no_epoch_lacks_its_curves_after_a_kill(tmp_path):
    path, logs = tmp_path / "state.npz", tmp_path / "logs"

    def record(columns):
        # Comes next after the checkpoint.
        if len(columns["epoch"]) == 2:
            raise Killed

    with pytest.raises(Killed):
        train(path, log_dir=logs, record=record)
    _, history = train(path, log_dir=logs)
    assert read_curves(logs / "train")["epoch_loss"] == pytest.approx(
        dict(enumerate(history["loss"])), rel=1e-5
    )
