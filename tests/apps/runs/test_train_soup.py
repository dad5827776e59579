import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl.apps.data.augmentation import Augmentation
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.recipes.recipe import Recipe
from kerastl.apps.recipes.recipe_table import get_recipe
from kerastl.apps.runs.greedy_soup import choose_members
from kerastl.apps.runs.greedy_soup import describe_soup
from kerastl.apps.runs.run_folder import RunFolder
from kerastl.apps.runs.train_soup import check_soup
from kerastl.apps.runs.train_soup import remove_state
from kerastl.apps.runs.train_soup import train_soup

from ..coloured_part import coloured_part

pytestmark = pytest.mark.tensorflow_only

EPOCHS = 2


def make_student():
    keras.utils.set_random_seed(2)
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name="conv")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(3, activation="softmax", name="head")(x)
    return keras.Model(inputs, x)


def make_data(seed=5):
    generator = np.random.default_rng(0)
    return ImageData(
        {"train": coloured_part(generator, 30)},
        "abc",
        12,
        batch_size=8,
        augmentation=Augmentation(),
        seed=seed,
    )


class Killed(Exception):
    pass


def soup(count, folder=None, die_in=None, data=None, findings=None, rates=()):
    trainings = []

    def callbacks(setting):
        trainings.append(setting.data.seed)

        def end(epoch, logs=None):
            if len(trainings) == die_in and epoch == 1:
                raise Killed

        notes = setting.by_epoch.setdefault("pseudo_labels", [])
        setting.findings["similarity"] = setting.data.seed

        def note(epoch, logs=None):
            notes.append({"epoch": epoch + 1, "seed": setting.data.seed})

        return [
            keras.callbacks.LambdaCallback(
                on_epoch_begin=end, on_epoch_end=note
            )
        ]

    recipe = Recipe("test", "Test", "", "", callbacks=callbacks)
    network, history = train_soup(
        count,
        make_student(),
        None,
        recipe,
        data or make_data(),
        EPOCHS,
        folder=folder,
        learning_rate=0.01,
        findings=findings,
        rates=rates,
    )
    return network.get_weights(), history, trainings


def test_the_weights_are_the_mean_of_trainings_under_other_draws():
    mean, history, seeds = soup(3)
    assert len(set(seeds)) == 3
    assert seeds[0] == 5
    alone = [soup(1, data=make_data(seed)) for seed in seeds]
    assert not np.allclose(alone[0][0][0], alone[1][0][0], atol=1e-4)
    for place, weight in enumerate(mean):
        each = np.stack([weights[place] for weights, _, _ in alone])
        np.testing.assert_allclose(
            weight, each.mean(axis=0), rtol=1e-5, atol=1e-6
        )
    assert history["epoch"] == [1, 2, 3, 4, 5, 6]
    losses = [loss for _, columns, _ in alone for loss in columns["loss"]]
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-5)


def test_what_is_found_is_found_of_all_trainings(tmp_path):
    whole = {}
    _, _, seeds = soup(3, findings=whole)
    assert whole["by_epoch"]["pseudo_labels"] == [
        {"epoch": number + 1, "seed": seeds[number // EPOCHS]}
        for number in range(3 * EPOCHS)
    ]
    assert whole["similarity"] == seeds[-1]
    folder = RunFolder(tmp_path / "run", {}, {})
    folder.begin()
    with pytest.raises(Killed):
        soup(3, folder, die_in=2, findings={})
    resumed = {}
    soup(3, folder, findings=resumed)
    assert resumed == whole


def test_a_killed_soup_goes_on_in_the_training_that_ran(tmp_path):
    whole, history, _ = soup(3)
    path = tmp_path / "run"
    folder = RunFolder(path, {}, {})
    folder.begin()
    with pytest.raises(Killed):
        soup(3, folder, die_in=2)
    names = sorted(file.name for file in path.iterdir())
    assert "checkpoint-2.npz" in names
    assert "training-1.keras" in names
    assert "training-2.keras" not in names
    # Behind those of the first, the epochs of the second that are done.
    head, *rows = (path / "history.csv").read_text().splitlines()
    done = [int(row.split(",")[0]) for row in rows]
    assert head.startswith("epoch,") and done == history["epoch"][: len(done)]
    assert len(history["epoch"]) // 3 < len(done) < len(history["epoch"])
    folder = RunFolder(path, {}, {}, resume=True)
    resumed, again, seeds = soup(3, folder)
    # The first is not trained again, the second from its second epoch.
    assert len(seeds) == 2
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert again["epoch"] == history["epoch"]
    np.testing.assert_allclose(again["loss"], history["loss"], rtol=1e-4)
    remove_state(folder, 3)
    names = sorted(file.name for file in path.iterdir())
    assert names == ["history.csv", "run.json"]
    assert json.loads((path / "run.json").read_text())["status"] == "training"


@pytest.mark.parametrize("method", ["pruning", "clustering", "channel_pruning"])
def test_what_a_mean_would_undo_is_refused(method):
    with pytest.raises(ValueError, match=f"'{method}'.*soup=2"):
        check_soup(2, get_recipe(method), "imagenet")
    check_soup(1, get_recipe(method), "imagenet")
    with pytest.raises(ValueError, match="cannot be averaged"):
        check_soup(2, get_recipe(f"{method}+ktft"), "imagenet")


def test_random_weights_and_no_training_are_refused():
    with pytest.raises(ValueError, match="random weights.*soup=4"):
        check_soup(4, get_recipe("fine_tune"), None)
    with pytest.raises(ValueError, match="trains nothing"):
        check_soup(2, get_recipe("reestimate"), "imagenet")
    check_soup(4, get_recipe("fine_tune"), "imagenet")


def test_the_mean_predicts_with_a_head_that_was_fitted_once():
    """All trainings start from one classifier, not each from its own."""
    starts = []

    def callbacks(setting):
        starts.append(setting.student.get_layer("head").get_weights()[0])
        return []

    recipe = Recipe("test", "Test", "", "", callbacks=callbacks)
    train_soup(
        2,
        make_student(),
        None,
        recipe,
        make_data(),
        1,
        learning_rate=0.01,
        new_head=True,
    )
    np.testing.assert_array_equal(*starts)
    fitted = make_student()
    kerastl.fit_head(fitted, make_data().calibration, seed=0)
    np.testing.assert_allclose(
        starts[0], fitted.get_layer("head").get_weights()[0], atol=1e-4
    )


RATES = [0.003, 0.02, 0.1]


def held_out(data):
    """The data, with a validation part that is not told apart by itself."""
    generator = np.random.default_rng(1)
    data.parts["validation"] = coloured_part(generator, 60, noise=235, added=20)
    return data


def accuracy(weights):
    network = make_student()
    network.set_weights(weights)
    images, labels = held_out(make_data()).images("validation")
    said = network(images.astype("float32")).numpy()
    return np.mean(said.argmax(-1) == labels)


def test_members_are_kept_while_validation_does_not_fall():
    """The greedy soup of the paper's recipe 1, step by step."""
    generator = np.random.default_rng(2)
    start = make_student().get_weights()
    members = {
        number: [
            w + generator.normal(0, 0.2, w.shape).astype(w.dtype) * (w.ndim > 1)
            for w in start
        ]
        for number in range(5)
    }
    order = sorted(members, key=lambda n: -accuracy(members[n]))
    expected, best = [], -1.0
    for number in order:
        tried = [*expected, number]
        stacks = zip(*(members[n] for n in tried), strict=True)
        found = accuracy([np.mean(stack, axis=0) for stack in stacks])
        if found >= best:
            expected, best = tried, found
    assert 1 < len(expected) < 5
    kept, said = choose_members(
        members, make_student(), held_out(make_data()), [0.1] * 5
    )
    assert list(kept) == expected
    assert said["accuracy"] == pytest.approx(best)
    for number, row in enumerate(said["trainings"]):
        assert row["kept"] == (number in expected)
        assert row["accuracy"] == pytest.approx(accuracy(members[number]))


def test_several_rates_are_tried_and_a_killed_one_goes_on(tmp_path):
    data, findings = held_out(make_data()), {}
    whole, history, seeds = soup(3, data=data, findings=findings, rates=RATES)
    rows = findings["soup"]["trainings"]
    assert [row["learning_rate"] for row in rows] == RATES
    assert len(set(seeds)) == 3 and len(history["epoch"]) == 3 * EPOCHS
    assert findings["soup"]["accuracy"] == pytest.approx(accuracy(whole))
    assert findings["soup"]["accuracy"] >= max(row["accuracy"] for row in rows)
    folder = RunFolder(tmp_path / "run", {}, {})
    folder.begin()
    with pytest.raises(Killed):
        soup(3, folder, die_in=2, data=held_out(make_data()), rates=RATES)
    again = {}
    resumed, columns, trained = soup(
        3, folder, data=held_out(make_data()), findings=again, rates=RATES
    )
    assert len(trained) == 2 and columns["epoch"] == history["epoch"]
    assert again["soup"] == findings["soup"]
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_rate_that_diverges_is_left_out(tmp_path):
    folder = RunFolder(tmp_path / "run", {}, {})
    folder.begin()
    rates, findings = [0.02, 1e30], {}
    with pytest.warns(UserWarning, match="not finite"):
        weights, history, _ = soup(
            2,
            folder,
            data=held_out(make_data()),
            findings=findings,
            rates=rates,
        )
    rows = findings["soup"]["trainings"]
    assert rows[0]["kept"] and rows[1] == {
        "learning_rate": 1e30,
        "accuracy": None,
        "kept": False,
    }
    assert np.isfinite(history["loss"]).all()
    # The run goes on by itself: it has nothing to advise.
    failed = folder.read_json("training-2.json")["failed"]
    assert "not finite" in failed and "resume" not in failed
    again = {}
    resumed, _, trained = soup(
        2, folder, data=held_out(make_data()), findings=again, rates=rates
    )
    # It is not tried again.
    assert trained == [] and again["soup"] == findings["soup"]
    for one, other in zip(weights, resumed, strict=True):
        np.testing.assert_array_equal(one, other)
    assert describe_soup(findings["soup"]).endswith(
        f"names {100 * rows[0]['accuracy']:.1f} %."
    )
    assert "1e+30 (diverged)" in describe_soup(findings["soup"])
    remove_state(folder, 2)
    left = {file.name for file in (tmp_path / "run").iterdir()}
    assert left == {"history.csv", "run.json"}


def test_rates_of_which_none_is_left_may_be_others(tmp_path):
    folder = RunFolder(tmp_path / "run", {}, {})
    folder.begin()
    with (
        pytest.warns(UserWarning, match="not finite"),
        pytest.raises(FloatingPointError, match="Go on with.*--resume"),
    ):
        soup(2, folder, data=held_out(make_data()), rates=[1e30, 2e30])
    found = {}
    soup(
        2,
        folder,
        data=held_out(make_data()),
        findings=found,
        rates=[0.01, 0.02],
    )
    assert None not in [row["accuracy"] for row in found["soup"]["trainings"]]


def test_how_many_trainings_rates_make():
    recipe = get_recipe("fine_tune")
    assert check_soup(1, recipe, "imagenet", [0.1, 0.2]) == 2
    assert check_soup(4, recipe, "imagenet", [0.1, 0.2]) == 4
    assert check_soup(1, recipe, None) == 1
    with pytest.raises(ValueError, match="a training of its own"):
        check_soup(2, recipe, "imagenet", [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="random weights"):
        check_soup(1, recipe, None, [0.1, 0.2])
