import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl.apps.data.augmentation import Augmentation
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.recipes.recipe import Recipe
from kerastl.apps.recipes.recipe_table import get_recipe
from kerastl.apps.runs.run_folder import RunFolder
from kerastl.apps.runs.train_soup import check_soup
from kerastl.apps.runs.train_soup import remove_state
from kerastl.apps.runs.train_soup import train_soup

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
    labels = (np.arange(30) % 3).astype("int32")
    images = generator.uniform(0, 155, (30, 16, 16, 3))
    images[np.arange(30), :, :, labels] += 100
    part = ImagePart(labels, 16, images.astype("uint8"))
    return ImageData(
        {"train": part},
        "abc",
        12,
        batch_size=8,
        augmentation=Augmentation(),
        seed=seed,
    )


class Killed(Exception):
    pass


def soup(count, folder=None, die_in=None, data=None, findings=None):
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
