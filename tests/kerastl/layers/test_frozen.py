import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.layers import Frozen


@pytest.fixture
def model():
    inputs = keras.Input((4,))
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4), layers.BatchNormalization()]
    )
    x = layers.Dense(4, name="before")(inputs)
    x = Frozen(inner, name="frozen")(x)
    return keras.Model(inputs, layers.Dense(2, name="after")(x))


def _values(model):
    return [
        keras.ops.convert_to_numpy(each)
        for each in model.get_layer("frozen").variables
    ]


def test_stays_frozen_whoever_thaws(model):
    for thawed in (model, kerastl.surgery.copy_model(model)):
        before = _values(thawed)
        thawed.trainable = True
        thawed.get_layer("frozen").trainable = True
        assert len(thawed.trainable_variables) == 4
        thawed.compile(keras.optimizers.SGD(0.5), "mse")
        x = np.random.default_rng(0).normal(size=(8, 4)) * 5
        start = thawed.get_layer("before").get_weights()[0]
        thawed.fit(x, x[:, :2], verbose=0)
        for old, new in zip(before, _values(thawed), strict=True):
            np.testing.assert_array_equal(old, new)
        # The gradient goes through.
        moved = thawed.get_layer("before").get_weights()[0] - start
        assert np.abs(moved).max() > 1e-3


def test_statistics_are_not_measured_anew(model):
    before = _values(model)
    x = np.random.default_rng(0).normal(size=(8, 4)) * 5
    kerastl.reestimate_batch_norm(model, x)
    for old, new in zip(before, _values(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_survives_a_file(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert len(again.trainable_variables) == 4
    x = np.random.default_rng(0).normal(size=(8, 4))
    np.testing.assert_allclose(again(x), model(x), atol=1e-6)
