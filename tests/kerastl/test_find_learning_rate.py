import keras
import numpy as np
import pytest
from keras import ops

import kerastl
from kerastl import find_learning_rate
from kerastl.optimizers.gate_optimizer import FollowingOptimizer
from kerastl.optimizers.gate_optimizer import follower_name

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


def _small(policy="float32"):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(4, name="first"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dropout(0.3, seed=1),
            keras.layers.Dense(1, name="last"),
        ]
    )
    keras.config.set_dtype_policy("float32")
    return model


def _spared(model):
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def _followed(model):
    first = keras.optimizers.SGD(0.01, momentum=0.9, name="network")
    second = keras.optimizers.SGD(0.02, name=follower_name("network"))
    chosen = keras.optimizers.OptimizerMap(first)
    chosen[".*last/.*"] = second
    return FollowingOptimizer(chosen, 2.0)


OPTIMIZERS = {
    "sgd": lambda model: keras.optimizers.SGD(0.01, momentum=0.9),
    "adam": lambda model: keras.optimizers.Adam(0.01, amsgrad=True),
    "averaged": lambda model: keras.optimizers.RMSprop(0.01, use_ema=True),
    "accumulated": lambda model: keras.optimizers.SGD(
        0.01, gradient_accumulation_steps=2
    ),
    "spared": _spared,
    "followed": _followed,
    "scaled": lambda model: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01), initial_scale=64.0
    ),
}


def _state(model):
    variables = [
        *model.variables,
        *model.optimizer.variables,
        *model.metrics_variables,
    ]
    return [ops.convert_to_numpy(v).copy() for v in variables]


def _assert_same(state, other):
    assert len(state) == len(other)
    for mine, theirs in zip(state, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("trained", [0, 12])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_put_back(data, name, policy, trained):
    if policy == "mixed_float16" and name not in ("sgd", "scaled"):
        pytest.skip("Keras puts the same scaling around the others")
    x, y = data
    models = [_small(policy), _small(policy)]
    for model in models:
        model.compile(
            OPTIMIZERS[name](model), "mse", metrics=["mae"], jit_compile=False
        )
        for _ in range(trained):
            model.train_on_batch(x, y)
    searched, other = models
    before = _state(searched)
    is_built = searched.optimizer.built
    optimizer, step = searched.optimizer, searched.train_function
    find_learning_rate(searched, data, highest=0.1, steps=6, batch_size=16)
    assert searched.optimizer is optimizer
    assert searched.optimizer.built == is_built == bool(trained)
    assert trained == 0 or searched.train_function is step
    _assert_same(_state(searched), before)
    # And it trains as if nothing had been.
    for model in models:
        for start in range(0, 64, 16):
            model.train_on_batch(x[start : start + 16], y[start : start + 16])
    _assert_same(_state(searched), _state(other))


def test_a_loss_scale_that_has_moved(data):
    model = _small("mixed_float16")
    model.compile("adam", "mse", jit_compile=False)
    model.train_on_batch(*data)
    model.optimizer.dynamic_scale.assign(64.0)
    model.optimizer.step_counter.assign(12)
    count = len(model.optimizer.variables)
    find_learning_rate(model, data, steps=4)
    assert len(model.optimizer.variables) == count
    assert float(model.optimizer.dynamic_scale) == 64.0
    assert int(model.optimizer.step_counter) == 12


def test_metrics_go_on_where_they_were(data):
    model = _small()
    model.compile("sgd", "mse", metrics=["mae"], jit_compile=False)
    first = model.train_on_batch(*data, return_dict=True)
    find_learning_rate(model, data, steps=4)
    found = {metric.name: metric for metric in model.metrics}
    assert float(found["loss"].result()) == pytest.approx(first["loss"])


def test_a_search_that_fails_leaves_nothing_behind(data):
    model = _small()
    model.compile("adam", "mse", jit_compile=False)
    before = _state(model)
    with pytest.raises(ValueError, match="not finite"):
        find_learning_rate(model, (data[0], data[1] * np.nan))
    _assert_same(_state(model), before)
    assert not model.optimizer.built


def test_a_tuner_is_put_back(make_network, images, labels):
    tuner = kerastl.FineTuner(make_network(dropout=0.2))
    tuner.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    tuner.fit(images, labels, verbose=0)
    before = _state(tuner)
    find_learning_rate(tuner, (images, labels), steps=4)
    _assert_same(_state(tuner), before)
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
