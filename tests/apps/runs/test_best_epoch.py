"""The epoch that validation images find best, and a training that ends."""

import keras
import numpy as np
import pytest

from kerastl.apps.data.augmentation import Augmentation
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.recipes.recipe import Recipe
from kerastl.apps.recipes.recipe import averaging_optimizer
from kerastl.apps.recipes.training_options import TrainingOptions
from kerastl.apps.runs.best_epoch import BestEpoch
from kerastl.apps.runs.best_epoch import describe_best
from kerastl.apps.runs.describe_run import describe_kept
from kerastl.apps.runs.describe_run import shipped_epochs
from kerastl.apps.runs.run_folder import RunFolder
from kerastl.apps.runs.train_network import train_network
from kerastl.apps.runs.train_soup import train_soup

from ..coloured_part import coloured_part

pytestmark = pytest.mark.tensorflow_only

EPOCHS = 6


def make_network():
    keras.utils.set_random_seed(2)
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(3, activation="softmax", name="head")(x)
    return keras.Model(inputs, x)


def make_data():
    generator = np.random.default_rng(0)
    train, validation = (
        coloured_part(generator, n, noise=200, added=40) for n in (24, 30)
    )
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
    """Breaks off in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise Killed


def train(options, path=None, callbacks=(), make=None, epochs=EPOCHS):
    """Returns the network, the history and what was found of the best."""
    recipe = Recipe(
        "test",
        "Test",
        "",
        "",
        # Three epochs learn, and what comes after them harms.
        schedule=lambda rate, setting: (
            keras.optimizers.schedules.PiecewiseConstantDecay(
                [9], [rate, 30 * rate]
            )
        ),
        callbacks=lambda setting: list(callbacks),
        batch_norm="train",
        **({} if make is None else {"make_optimizer": make}),
    )
    findings = {}
    network, history = train_network(
        make_network(),
        None,
        recipe,
        make_data(),
        epochs,
        learning_rate=0.02,
        checkpoint=path,
        findings=findings,
        options=options,
    )
    return network, history, findings.get("kept")


def best_of(history):
    """The best epoch, from 1: the most accurate, then the lowest loss."""
    ranks = zip(history["val_accuracy"], history["val_loss"], strict=True)
    order = sorted((-right, loss, n) for n, (right, loss) in enumerate(ranks))
    return order[0][2] + 1


def values(network):
    return [keras.ops.convert_to_numpy(w).copy() for w in network.weights]


@pytest.fixture(scope="module")
def whole():
    """A whole training: its history, and the weights after every epoch."""
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(values(self.model.student))

    network, history, kept = train(TrainingOptions(), callbacks=[Watch()])
    assert kept is None
    best = best_of(history)
    # So that what follows tells something.
    assert 2 <= best < EPOCHS - 1
    for one, other in zip(values(network), seen[-1], strict=True):
        np.testing.assert_array_equal(one, other)
    return history, seen


def check_same(network, expected):
    for one, other in zip(values(network), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_the_weights_are_those_of_the_best_epoch(whole):
    history, seen = whole
    network, found, [kept] = train(TrainingOptions(keep="best"))
    best = best_of(history)
    assert found["epoch"] == history["epoch"]
    assert kept["epoch"] == best and kept["epochs"] == EPOCHS
    check_same(network, seen[best - 1])
    # And nowhere near those after the last.
    head = network.get_layer("head").get_weights()[0]
    assert np.abs(head - seen[-1][-2]).max() > 0.01


def test_a_killed_training_keeps_the_best_of_before(whole, tmp_path):
    history, seen = whole
    path, best = tmp_path / "state.npz", best_of(whole[0])
    options = TrainingOptions(keep="best")
    with pytest.raises(Killed):
        train(options, path, [Kill(best + 2)])
    network, found, [kept] = train(options, path)
    assert found["epoch"] == history["epoch"]
    assert kept["epoch"] == best
    check_same(network, seen[best - 1])


@pytest.mark.parametrize("keep, shipped", [("best", 0), ("last", 1)])
def test_it_ends_where_patience_does(whole, tmp_path, keep, shipped):
    history, seen = whole
    best = best_of(history)
    options = TrainingOptions(keep=keep, patience=1)
    path = tmp_path / "state.npz"
    network, found, [kept] = train(options, path, epochs=EPOCHS)
    end = found["epoch"][-1]
    assert found["epoch"] == list(range(1, end + 1))
    # The first epoch that is no better than the best before it.
    first = next(
        n
        for n in range(2, EPOCHS + 1)
        if best_of({k: v[:n] for k, v in history.items()}) != n
    )
    assert end == first < EPOCHS
    assert kept["epochs"] == end and kept["epoch"] == end - 1
    assert kept["weights"] == (keep == "best")
    check_same(network, seen[end - 2 + shipped])
    assert best >= kept["epoch"]
    # What is resumed behind its end does not go on.
    again, once_more, [same] = train(options, path)
    assert once_more == found and same == kept
    check_same(again, values(network))


def test_an_average_is_kept_as_it_was_looked_at():
    """Validation looks at the average of the weights: that is what ships."""
    options = TrainingOptions(keep="best")
    network, history, [kept] = train(options, make=averaging_optimizer)
    best = best_of(history)
    assert kept["epoch"] == best
    network.compile(
        loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    loss, accuracy = network.evaluate(make_data().validation, verbose=0)
    assert loss == pytest.approx(history["val_loss"][best - 1], rel=1e-4)
    assert accuracy == pytest.approx(history["val_accuracy"][best - 1])


def test_a_soup_is_the_mean_of_the_best_epochs(tmp_path):
    recipe = Recipe("test", "Test", "", "", batch_norm="train")
    folder = RunFolder(tmp_path / "run", {}, {})
    folder.begin()
    findings = {}
    soup, history = train_soup(
        2,
        make_network(),
        None,
        recipe,
        make_data(),
        3,
        folder=folder,
        learning_rate=0.1,
        findings=findings,
        options=TrainingOptions(keep="best"),
    )
    kept = findings["kept"]
    assert len(kept) == 2 and len(history["epoch"]) == 6
    for number, found in enumerate(kept):
        part = {k: v[3 * number : 3 * number + 3] for k, v in history.items()}
        assert found["epoch"] == best_of(part)
    members = [
        values(folder.load_model(f"training-{number}.keras"))
        for number in (1, 2)
    ]
    for place, found in enumerate(values(soup)):
        mean = (members[0][place] + members[1][place]) / 2
        np.testing.assert_allclose(found, mean, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*not finite")
def test_the_best_epochs_are_told_with_the_trainings_that_had_them(tmp_path):
    """One that diverges has no best epoch, and does not move the others up."""
    findings = {}
    train_soup(
        3,
        make_network(),
        None,
        Recipe("test", "Test", "", "", batch_norm="train"),
        make_data(),
        1,
        rates=[1e30, 0.1, 0.2],
        findings=findings,
        options=TrainingOptions(keep="best"),
    )
    rows = findings["soup"]["trainings"]
    assert [row["accuracy"] is None for row in rows] == [True, False, False]
    assert [each["training"] for each in findings["kept"]] == [2, 3]
    for row in rows:
        row["kept"] = row["accuracy"] is not None
    said = describe_kept(shipped_epochs(findings), 1)
    second, third = said.removeprefix(" By validation, ").split("; in ")
    assert second.startswith("in training 2, epoch 1 was the best")
    assert third.startswith("training 3, epoch 1 was the best")
    # What is left out has no weights that are kept.
    rows[1]["kept"] = False
    said = describe_kept(shipped_epochs(findings), 1)
    assert "training 2" not in said and "training 3, epoch 1" in said


def test_of_equally_accurate_epochs_the_lowest_loss_counts():
    best = BestEpoch(keeps=False, patience=2)
    best.set_model(keras.Sequential([keras.Input((1,))]))
    logs = [(0.5, 1.0), (0.5, 0.9), (0.4, 0.1), (0.5, 0.9), (0.9, float("nan"))]
    ends = []
    for epoch, (accuracy, loss) in enumerate(logs):
        best.on_epoch_begin(epoch)
        best.on_test_end({"accuracy": accuracy, "loss": loss})
        best.model.stop_training = False
        best.on_epoch_end(epoch)
        ends.append(best.model.stop_training)
    assert best.found == {"epoch": 2, "accuracy": 0.5, "loss": 0.9}
    assert ends == [False, False, False, True, True]


def test_what_is_said():
    found = {"epoch": 4, "accuracy": 0.875, "epochs": 6, "weights": True}
    assert describe_best({**found, "patience": None}, 6) == (
        "epoch 4 was the best, with 87.5 % of the validation images: its "
        "weights are kept"
    )
    ended = describe_best({**found, "weights": False, "patience": 2}, 20)
    assert ended == (
        "epoch 4 was the best, with 87.5 % of the validation images; no "
        "better one in 2 epochs, so training ended after 6 of 20"
    )
