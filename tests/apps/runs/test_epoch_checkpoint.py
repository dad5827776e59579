import csv
import json

import keras
import numpy as np
import pytest

from kerastl.apps.runs.epoch_checkpoint import EpochCheckpoint
from kerastl.apps.runs.epoch_checkpoint import save_history
from kerastl.apps.runs.run_folder import RunFolder


def make_model(units=4, seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(units),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=7),
            keras.layers.Dense(2),
        ]
    )
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 8)
    model.compile(keras.optimizers.SGD(schedule, momentum=0.9), "mse")
    return model


def fit(model, path, epochs):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(16, 8)).astype("float32")
    y = generator.normal(size=(16, 2)).astype("float32")
    keeper = EpochCheckpoint(path)
    done = keeper.restore(model)
    model.fit(
        x,
        y,
        epochs=epochs,
        initial_epoch=done,
        batch_size=8,
        shuffle=False,
        callbacks=[keeper],
        verbose=0,
    )
    return done, keeper.history


def test_an_interrupted_training_ends_like_a_whole_one(tmp_path):
    whole = make_model()
    fit(whole, None, 4)
    fit(make_model(), tmp_path / "state.npz", 2)
    resumed = make_model(seed=1)
    done, history = fit(resumed, tmp_path / "state.npz", 4)
    assert done == 2
    assert history["epoch"] == [1, 2, 3, 4]
    assert len(history["loss"]) == 4
    # Momentum, learning rate, statistics and dropout's generator all count.
    for expected, found in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(found),
            keras.ops.convert_to_numpy(expected),
            rtol=1e-5,
            atol=1e-6,
            err_msg=expected.path,
        )


def test_refuses_another_network(tmp_path):
    fit(make_model(), tmp_path / "state.npz", 1)
    with pytest.raises(ValueError, match="another network"):
        fit(make_model(units=5), tmp_path / "state.npz", 2)


def test_keeps_no_state_that_is_not_finite(tmp_path):
    path = tmp_path / "state.npz"
    model = make_model()
    fit(model, path, 1)
    before = path.read_bytes()
    keeper = EpochCheckpoint(path)
    keeper.set_model(model)
    keeper.on_epoch_end(1, {"loss": float("nan")})
    assert path.read_bytes() == before
    with np.load(path) as saved:
        assert json.loads(str(saved["state"]))["history"]["epoch"] == [1]


def test_statistics_and_a_loss_scale_that_are_there_already(tmp_path):
    def make(mean):
        norm = keras.layers.Normalization()
        model = keras.Sequential(
            [keras.Input((8,)), norm, keras.layers.Dense(2, name="last")]
        )
        norm.adapt(np.random.default_rng(0).normal(mean, 2.0, (60, 8)))
        scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
        model.compile(scaled, "mse")
        return model

    trained, resumed = make(3.0), make(-9.0)
    fit(trained, tmp_path / "state.npz", 1)
    resumed.optimizer.build(resumed.trainable_variables)
    count = len(resumed.optimizer.variables)
    EpochCheckpoint(tmp_path / "state.npz").restore(resumed)
    assert len(resumed.optimizer.variables) == count
    assert int(resumed.optimizer.step_counter) == 2
    x = np.random.default_rng(1).normal(size=(3, 8)).astype("float32")
    np.testing.assert_array_equal(resumed(x), trained(x))


class Watch:
    """What `StopOnDivergence` would have found."""

    message, sound = "", True


def test_keeps_no_state_that_the_watch_found_wrong(tmp_path):
    path = tmp_path / "state.npz"
    model = make_model()
    fit(model, path, 1)
    before = path.read_bytes()
    keeper, watch = EpochCheckpoint(path), Watch()
    keeper.watch = watch
    keeper.restore(model)
    keeper.set_model(model)
    # A peak at the end: it may come down, and is part of the history.
    watch.sound = False
    keeper.on_epoch_end(1, {"loss": 3e5})
    assert (path.read_bytes(), keeper.saved) == (before, 1)
    watch.sound = True
    keeper.on_epoch_end(2, {"loss": 0.5})
    assert keeper.saved == 3
    watch.message = "wrong"
    keeper.on_epoch_end(3, {"loss": 0.4})
    with np.load(path) as saved:
        history = json.loads(str(saved["state"]))["history"]
    assert history["epoch"] == [1, 2, 3]
    assert history["loss"][1:] == [3e5, 0.5]


def test_a_metric_that_is_no_number_does_not_cost_the_epoch(tmp_path):
    path = tmp_path / "state.npz"
    model = make_model()
    keeper = EpochCheckpoint(path)
    model.optimizer.build(model.trainable_variables)
    keeper.set_model(model)
    keeper.on_epoch_end(0, {"loss": 0.5, "recall": float("nan")})
    with np.load(path) as saved:
        text = str(saved["state"])
    state = json.loads(text, parse_constant=lambda name: 1 / 0)
    assert state["history"] == {"epoch": [1], "loss": [0.5], "recall": [None]}


def test_what_is_no_number_is_null_in_json_and_empty_in_csv(tmp_path):
    folder = RunFolder(tmp_path / "run", {}, {})
    folder.begin()
    column = [0.5, float("nan"), float("inf"), None, -float("inf"), 2.0]
    save_history(folder, {"epoch": [1, 2, 3, 4, 5, 6], "share": column})
    text = folder.file("history.json").read_text()
    assert json.loads(text, parse_constant=lambda name: 1 / 0) == {
        "epoch": [1, 2, 3, 4, 5, 6],
        "share": [0.5, None, None, None, None, 2.0],
    }
    with folder.file("history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["share"] for row in rows] == ["0.5", "", "", "", "", "2.0"]
