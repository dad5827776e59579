"""What can be asked of a training, and which methods cannot."""

import dataclasses

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.data.augmentation import Augmentation
from kerastl.apps.data.augmentation import make_augmentation
from kerastl.apps.recipes.adapt_recipe import adapt_recipe
from kerastl.apps.recipes.adapt_recipe import check_options
from kerastl.apps.recipes.recipe import warm_constant
from kerastl.apps.recipes.training_options import TrainingOptions
from kerastl.apps.runs.label_form import in_form
from kerastl.apps.runs.train_network import make_tuner
from kerastl.apps.runs.train_network import training_data

pytestmark = pytest.mark.tensorflow_only

SMOOTHED = TrainingOptions(label_smoothing=0.2)


def crossentropy(y, predictions):
    return -np.mean(np.sum(y * np.log(predictions), axis=-1))


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("augment", ["light", "cutmix"])
def test_labels_are_smoothed_as_the_formula_says(setting, augment, jit_compile):
    setting.options = SMOOTHED
    setting.data.augmentation = make_augmentation(augment, Augmentation())
    recipe = apps.get_recipe("fine_tune")
    tuner = make_tuner(recipe, setting, jit_compile=jit_compile)
    images, labels = next(iter(training_data(recipe, setting)))
    labels = np.asarray(labels)
    assert labels.shape == (6, 3)
    mixed = (labels.max(axis=1) < 0.99).any()
    assert mixed == (augment == "cutmix")
    said = setting.student(images, training=True).numpy()
    found = tuner.train_on_batch(images, labels, return_dict=True)["loss"]
    y = 0.8 * labels + 0.2 / 3
    assert found == pytest.approx(crossentropy(y, said), rel=1e-4)
    # Of validation images, whose labels were whole numbers, likewise.
    for batch, numbers in in_form(setting.data.validation, setting):
        numbers = np.asarray(numbers)
        assert set(numbers.argmax(axis=1)) <= {0, 1, 2}
        said = setting.student.predict(batch, verbose=0)
        y = 0.8 * numbers + 0.2 / 3
        loss, accuracy = tuner.test_on_batch(batch, numbers)
        assert loss == pytest.approx(crossentropy(y, said), rel=1e-4)
        right = np.mean(said.argmax(axis=1) == numbers.argmax(axis=1))
        assert accuracy == pytest.approx(right)


def test_labels_are_whole_numbers_where_nothing_spreads_them(setting):
    recipe = apps.get_recipe("fine_tune")
    _, labels = next(iter(training_data(recipe, setting)))
    assert labels.dtype == "int32" and labels.shape == (6,)
    assert in_form(setting.data.validation, setting) is setting.data.validation


def test_a_sigmoids_labels_are_smoothed(setting):
    """One number for two classes: Keras spreads over both."""
    student = setting.student
    score = keras.layers.Dense(1, "sigmoid")(student.layers[-2].output)
    setting.student = keras.Model(student.inputs, score)
    setting.options = SMOOTHED
    tuner = make_tuner(apps.get_recipe("fine_tune"), setting)
    images, labels = next(iter(setting.data.train))
    labels = (np.asarray(labels) > 0).astype("int32")
    said = setting.student(images, training=True).numpy()[:, 0]
    found = tuner.train_on_batch(images, labels, return_dict=True)["loss"]
    y = 0.8 * labels + 0.1
    both = np.stack([1 - said, said], axis=-1)
    expected = crossentropy(np.stack([1 - y, y], axis=-1), both)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("method", ["tcr", "disturb_label", "co_tuning"])
def test_methods_that_read_labels_train_on_smoothed_ones(setting, fit, method):
    setting.options = SMOOTHED
    recipe = apps.get_recipe(method)
    history = fit(make_tuner(recipe, setting), recipe, setting)
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("method", ["self_training", "lwf", "adversarial"])
def test_methods_train_on_mixed_images(setting, fit, method):
    setting.data.augmentation = make_augmentation("mixup", Augmentation())
    recipe = apps.get_recipe(method)
    check_options(setting.options, recipe, mixes=True)
    history = fit(make_tuner(recipe, setting), recipe, setting)
    assert np.isfinite(history["loss"]).all()


def test_an_average_of_any_plain_method(setting):
    asked = TrainingOptions(keep="average")
    recipe = adapt_recipe(apps.get_recipe("ktft+l2_sp"), asked)
    optimizer = recipe.optimizer(setting)
    assert optimizer.use_ema
    # Half of the training, as `averaged_imprinting` remembers.
    assert optimizer.ema_momentum == pytest.approx(1 - 2 / setting.steps)
    assert recipe.schedule is warm_constant
    own = apps.get_recipe("averaged_imprinting")
    configs = [
        {**each.optimizer(setting).get_config(), "name": "adam"}
        for each in (own, adapt_recipe(own, asked))
    ]
    assert configs[0] == configs[1]


@pytest.mark.parametrize("method", ["fine_tune", "averaged_imprinting"])
def test_the_classifier_has_a_rate_of_its_own(setting, method):
    setting = dataclasses.replace(
        setting, epochs=10, options=TrainingOptions(head_learning_rate=10)
    )
    plain = apps.get_recipe(method)
    optimizer = adapt_recipe(plain, setting.options).optimizer(setting)
    single = plain.optimizer(setting)
    optimizer.build(setting.student.trainable_variables)
    rates = {}
    for part in optimizer.optimizers:
        assert part.use_ema == single.use_ema
        for variable in part._trainable_variables:
            name = variable.path.split("/")[0]
            rates[name] = [float(part._learning_rate(n)) for n in (1, 9, 20)]
    expected = [float(single._learning_rate(n)) for n in (1, 9, 20)]
    head = setting.student.layers[-1].name
    for name, found in rates.items():
        factor = 10 if name == head else 1
        assert found == pytest.approx([factor * each for each in expected])
    assert head in rates and len(rates) > 2


@pytest.mark.parametrize(
    "method, options, mixes",
    [
        ("rifle", {"patience": 3}, False),
        ("rifle", {"keep": "average"}, False),
        ("ktft+lure", {"patience": 3}, False),
        ("cyclic", {"patience": 3}, False),
        ("staged_unfreezing", {"patience": 3}, False),
        ("cbs", {"keep": "best"}, False),
        ("pruning", {"keep": "best"}, False),
        ("clustering", {"patience": 2}, False),
        ("pruning", {"keep": "average"}, False),
        ("channel_pruning", {"keep": "average"}, False),
        ("layer_decay", {"keep": "average"}, False),
        ("ema", {"keep": "average"}, False),
        ("layer_decay", {"head_learning_rate": 2}, False),
        ("linear_probe", {"head_learning_rate": 2}, False),
        ("kakurenbo", {"head_learning_rate": 2}, False),
        ("tcr", {}, True),
        ("filtered_transfer", {}, True),
        ("ktft+bi_tuning", {}, True),
        ("arc", {}, True),
        ("reestimate", {"label_smoothing": 0.1}, False),
    ],
)
def test_what_a_method_cannot_is_refused(method, options, mixes):
    recipe = apps.get_recipe(method)
    check_options(TrainingOptions(), recipe)
    with pytest.raises(ValueError, match="does not go with.*such as fine_tune"):
        check_options(TrainingOptions(**options), recipe, mixes)
    check_options(
        TrainingOptions(**options), apps.get_recipe("fine_tune"), mixes
    )


def test_random_weights_have_no_average():
    recipe = apps.get_recipe("fine_tune").from_scratch()
    with pytest.raises(
        ValueError, match="the last weights.*best.*Leave that out. R"
    ):
        check_options(TrainingOptions(keep="average"), recipe)
    check_options(TrainingOptions(keep="best", patience=2), recipe)


def test_every_method_says_why():
    """Reasons are of options that there are."""
    for recipe in apps.RECIPES.values():
        for option, reason in recipe.conflicts:
            assert option in ("best", "average", "patience", "mixing")
            assert reason == reason.strip(" .") != ""


def test_what_is_kept_by_default():
    assert TrainingOptions().keep == "last"
    assert TrainingOptions(patience=3).keep == "best"
    assert TrainingOptions(keep="last", patience=3).keep == "last"
    assert not TrainingOptions(keep="average").selects
    assert TrainingOptions(patience=np.int64(3)).patience == 3


@pytest.mark.parametrize(
    "options, message",
    [
        ({"keep": "bets"}, "Did you mean 'best'"),
        ({"keep": True}, "`keep` must be one of"),
        ({"patience": 0}, "`patience` must be an integer, at least 1"),
        ({"patience": 1.5}, "`patience` must be"),
        ({"label_smoothing": 1.0}, "`label_smoothing` must be.*below 1"),
        ({"label_smoothing": -0.1}, "`label_smoothing` must be"),
        ({"label_smoothing": "0.1"}, "`label_smoothing` must be"),
        ({"head_learning_rate": 0}, "`head_learning_rate` must be.*above 0"),
        ({"head_learning_rate": float("inf")}, "`head_learning_rate` must be"),
    ],
)
def test_values_out_of_range_are_refused_before_a_run(
    options, message, tmp_path
):
    output = tmp_path / "run"
    with pytest.raises(ValueError, match=message):
        apps.fine_tune(tmp_path, output=output, **options)
    assert not output.exists()
