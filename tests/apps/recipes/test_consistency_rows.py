import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.choice import choose_method
from kerastl.apps.data.load_digits_pair import load_digits_pair
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.recipes.recipe_table import get_recipe
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.train_network import make_tuner
from kerastl.apps.runs.train_network import train_network

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.usefixtures("eagerly"),
]


@pytest.mark.parametrize("name", ["akc+arc", "akc_arc"])
def test_unlabelled_images_train_along(name):
    keras.utils.set_random_seed(0)
    data = load_digits_pair(
        shots=5,
        image_size=24,
        batch_size=8,
        validation_shots=2,
        unlabelled_shots=20,
    ).target
    assert len(data.unlabelled) == 100
    source = get_preset("resnet8").build(input_shape=(24, 24, 3), classes=7)
    student, _ = prepare_student(source, data.num_classes, seed=0)
    recipe = get_recipe(name)
    assert recipe.needs_unlabelled and recipe.needs_source_head
    _, history = train_network(
        student, source, recipe, data, epochs=2, learning_rate=0.01
    )
    assert {"akc", "arc"} < set(history)
    # A head of random features may be sure of nothing; the terms are there.
    assert np.isfinite(history["akc"]).all()
    assert np.isfinite(history["arc"]).all()


def test_without_unlabelled_images():
    data = load_digits_pair(shots=5, image_size=24, validation_shots=2).target
    student = get_preset("resnet8").build(input_shape=(24, 24, 3), classes=5)
    with pytest.raises(ValueError, match="--unlabelled"):
        train_network(
            student, None, get_recipe("arc"), data, 1, learning_rate=0.01
        )


def test_a_run_without_unlabelled_images_writes_nothing(
    tiny_arguments, tmp_path
):
    output = tmp_path / "run"
    with pytest.raises(ValueError, match="'arc' trains on unlabelled.*--shots"):
        apps.fine_tune(**tiny_arguments, method="arc", output=output)
    with pytest.raises(ValueError, match="'l2' does not train on unlabelled"):
        apps.fine_tune(
            **tiny_arguments, method="l2", unlabelled=tmp_path, output=output
        )
    assert not output.exists()


def test_a_run_on_what_the_shots_leave_over(tiny_arguments, tmp_path):
    with pytest.warns(UserWarning, match="no knowledge to transfer"):
        result = apps.fine_tune(
            **{**tiny_arguments, "epochs": 1, "exports": []},
            method="arc",
            shots=4,
            output=tmp_path / "run",
        )
    notes = result.report["data"]["note"]
    assert "24 training images that are left over" in notes
    assert "arc" in result.report["history"]


def test_self_training_learns_what_nobody_labelled(setting, fit):
    recipe = get_recipe("self_training")
    assert recipe.needs_unlabelled and recipe.starts_head
    tuner = make_tuner(recipe, setting, jit_compile=False)
    (term,) = tuner.transfer_losses
    # Of six steps there is no eighth: the weights of the moment label.
    assert (term.threshold, term.teacher_momentum) == (0.8, 0.0)
    # Data that is not mirrored stays as it is.
    assert setting.data.augmentation is None and not term.strong.flip
    history = fit(tuner, recipe, setting)
    assert np.isfinite(history["pseudo_labels"]).all()


def test_photos_without_labels_are_learned_from_without_being_asked(
    tiny_arguments, tmp_path, monkeypatch
):
    # Of a ResNet-8 and one step nothing is expected by itself.
    monkeypatch.setattr(choose_method, "_promises", lambda gain: True)
    monkeypatch.setattr(choose_method, "_LEAST_STEPS", 1)
    size = tiny_arguments["image_size"]
    source = get_preset("resnet8").build(input_shape=(size, size, 3))
    arguments = {**tiny_arguments, "weights": source, "exports": []}
    result = apps.fine_tune(
        **{**arguments, "epochs": 1},
        shots=4,
        unlabelled=True,
        output=tmp_path / "run",
    )
    assert result.report["settings"]["method"] == "self_training"
    assert "pseudo_labels" in result.report["history"]
    (epoch,) = result.report["pseudo_labels"]
    (share,) = result.report["history"]["pseudo_labels_believed"]
    assert share == pytest.approx(sum(epoch["believed"]) / epoch["images"])
    page = (tmp_path / "run" / "report.html").read_text()
    told = f"sure of: {100 * share:.1f} % in the last epoch"
    assert told in page and "Believed pseudo-labels by class" in page
    assert told in (tmp_path / "run" / "MODEL_CARD.md").read_text()
    text = result.report["summary"]["text"]
    assert "which learns from photos without labels" in text
    # Not asked for: a misspelt folder is told of, not a method.
    with pytest.raises(FileNotFoundError, match="unlabelled="):
        apps.fine_tune(
            **arguments, unlabelled=tmp_path / "none", output=tmp_path / "b"
        )
    assert not (tmp_path / "b").exists()


def test_a_head_that_is_kept_is_not_made_anew(tiny_arguments, tmp_path):
    size = tiny_arguments["image_size"]
    source = get_preset("resnet8").build(input_shape=(size, size, 3), classes=3)
    arguments = {**tiny_arguments, "weights": source, "exports": []}
    result = apps.fine_tune(
        **{**arguments, "epochs": 1},
        keep_head=True,
        learning_rate=1e-9,
        shots=4,
        unlabelled=True,
        output=tmp_path / "run",
    )
    assert result.report["settings"]["method"] == "self_training"
    before, after = (
        each.layers[-1].get_weights()[0] for each in (source, result.model)
    )
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_self_training_without_unlabelled_images(tiny_arguments, tmp_path):
    with pytest.raises(
        ValueError, match="'self_training' trains on unlabelled.*--shots"
    ):
        apps.fine_tune(
            **tiny_arguments, method="self_training", output=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()
