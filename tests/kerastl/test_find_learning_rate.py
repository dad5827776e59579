import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl import find_learning_rate

RIGHT = np.array([[2.0], [-1.0]], "f4")


@pytest.fixture
def data():
    x = np.random.default_rng(0).normal(size=(64, 2)).astype("f4")
    return x, x @ RIGHT


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(
        keras.optimizers.SGD(0.003, momentum=0.5), "mse", jit_compile=False
    )
    return model


def test_the_suggestion_is_where_a_quadratic_falls(model, data):
    search = find_learning_rate(
        model, data, lowest=1e-5, highest=30, steps=60, batch_size=16
    )
    # With curvature 2 and momentum 0.5, steps are stable up to a rate of 1.5.
    assert 0.005 < search.suggestion < 1.5
    assert search.losses[-1] > 4 * min(search.losses)
    assert len(search.rates) == len(search.losses) < 60
    ratios = np.array(search.rates[1:]) / search.rates[:-1]
    np.testing.assert_allclose(ratios, (3e6) ** (1 / 59), rtol=1e-6)


def test_the_smoothed_losses_are_those_of_the_batches(model, data):
    x, y = data
    search = find_learning_rate(
        model, (x, y), lowest=1e-9, highest=1e-8, steps=4, batch_size=16
    )
    errors = ops.convert_to_numpy(model(x)) - y
    losses = (errors**2).reshape(4, 16).mean(1)
    mean, expected = 0, []
    for step, loss in enumerate(losses, 1):
        mean = 0.9 * mean + 0.1 * loss
        expected.append(mean / (1 - 0.9**step))
    np.testing.assert_allclose(search.losses, expected, rtol=1e-4)


def test_everything_is_put_back(make_network, images, labels):
    tuner = kerastl.FineTuner(make_network(dropout=0.2))
    tuner.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    tuner.fit(images, labels, verbose=0)
    variables = [*tuner.variables, *tuner.optimizer.variables]
    before = [ops.convert_to_numpy(v).copy() for v in variables]
    find_learning_rate(tuner, (images, labels), steps=4)
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)
    assert float(tuner.optimizer.learning_rate) == pytest.approx(0.01)


def test_errors(model, data):
    with pytest.raises(ValueError, match="lowest=1, highest=0.1"):
        find_learning_rate(model, data, lowest=1, highest=0.1)
    with pytest.raises(ValueError, match="no batch"):
        find_learning_rate(model, iter([]))
    x, y = data
    with pytest.raises(ValueError, match="not finite"):
        find_learning_rate(model, (x, y * np.nan))
    with pytest.raises(ValueError, match="must be compiled"):
        find_learning_rate(keras.Sequential([keras.layers.Dense(1)]), data)
    model.compile(
        keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 5)),
        "mse",
    )
    with pytest.raises(ValueError, match="a single, plain one"):
        find_learning_rate(model, data)
