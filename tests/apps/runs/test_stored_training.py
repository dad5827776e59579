"""A linear probe on stored features is the linear probe."""

import dataclasses

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.runs import train_network as module
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.stored_training import stored_training

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture
def train(monkeypatch):
    def run(stored, checkpoint=None, epochs=3):
        if not stored:
            monkeypatch.setattr(
                module, "trains_on_features", lambda recipe, data: False
            )
        keras.utils.set_random_seed(3)
        source = apps.get_preset("resnet8").build(
            input_shape=(16, 16, 3), classes=5
        )
        student, _ = prepare_student(source, 5, seed=0)
        data = apps.load_digits_pair(
            shots=5, image_size=16, batch_size=8
        ).target
        data.augmentation = None
        network, history = module.train_network(
            student,
            None,
            apps.get_recipe("linear_probe"),
            data,
            epochs,
            learning_rate=0.003,
            checkpoint=checkpoint,
        )
        assert network is student
        assert all(layer.trainable for layer in student.layers)
        return network, history

    return run


def _assert_same(first, second):
    (one, history), (other, expected) = first, second
    assert history.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(
            history[name], values, rtol=1e-3, atol=1e-4, err_msg=name
        )
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4, err_msg=a.path)


def test_stored_features_change_nothing_but_the_cost(train):
    stored = train(stored=True)
    assert stored[1]["loss"][-1] < stored[1]["loss"][0]
    _assert_same(stored, train(stored=False))


def test_it_resumes(train, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def killed(self, epoch, logs=None):
        if epoch == 2:
            raise Killed

    whole = train(stored=True)
    with monkeypatch.context() as patch:
        patch.setattr(module.EpochCheckpoint, "on_epoch_begin", killed)
        with pytest.raises(Killed):
            train(True, tmp_path / "state.npz")
    _assert_same(train(True, tmp_path / "state.npz"), whole)


def test_augmented_images_are_not_stored():
    probe = apps.get_recipe("linear_probe")
    data = apps.load_digits_pair(shots=5, image_size=16).target
    assert not module.trains_on_features(probe, data)
    data.augmentation = None
    assert module.trains_on_features(probe, data)
    assert not module.trains_on_features(apps.get_recipe("fine_tune"), data)


@pytest.mark.parametrize(
    "changed",
    [
        {"trainable": "all"},
        {"batch_norm": "train"},
        {"surgery": lambda setting: setting.student},
        {"regularizer": lambda setting: None},
        {"transfer_losses": lambda setting: []},
        {"dataset": lambda setting, batches: batches},
    ],
)
def test_what_a_method_changes_is_not_stored(changed):
    probe = apps.get_recipe("linear_probe")
    data = apps.load_digits_pair(shots=5, image_size=16).target
    data.augmentation = None
    assert module.trains_on_features(probe, data)
    other = dataclasses.replace(probe, **changed)
    assert not module.trains_on_features(other, data)


@pytest.mark.parametrize("validate", [False, True])
def test_validation_is_stored_where_it_is_wanted_and_there(validate):
    data = apps.load_digits_pair(shots=5, image_size=16, batch_size=8).target
    data.augmentation = None
    student = apps.get_preset("resnet8").build(
        input_shape=(16, 16, 3), classes=5
    )
    top, train, validation = stored_training(student, data, validate)
    if not validate:
        assert validation is None
    else:
        features, labels = next(iter(validation.unbatch().batch(1000)))
        np.testing.assert_array_equal(labels, data.parts["validation"].labels)
        images, _ = data.images("validation")
        np.testing.assert_allclose(
            top(features), student(images.astype("float32")), atol=1e-5
        )
    del data.parts["validation"]
    without = data.__class__(data.parts, data.class_names, data.image_size, 8)
    assert stored_training(student, without, True)[2] is None
