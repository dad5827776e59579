import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl.callbacks import RIFLE
from kerastl.callbacks.reinitialization import fan_in_draw

PATTERN = "predictions/.*"


class Watch(keras.callbacks.Callback):
    """Keeps the head and the first kernel of every epoch's start and end."""

    def __init__(self):
        super().__init__()
        self.starts, self.ends = [], []

    def _weights(self):
        model = getattr(self.model, "student", self.model)
        return [
            keras.ops.convert_to_numpy(model.get_layer(name).kernel).copy()
            for name in ("predictions", "stem_conv")
        ]

    def on_epoch_begin(self, epoch, logs=None):
        self.starts.append(self._weights())

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(self._weights())

    def fresh_epochs(self):
        """The epochs that start with another head than the last one's."""
        return [
            epoch + 1
            for epoch in range(len(self.ends) - 1)
            if np.abs(self.starts[epoch + 1][0] - self.ends[epoch][0]).max() > 0
        ]


@pytest.fixture
def make_tuner(make_network):
    def make(tuned=True, **kwargs):
        keras.utils.set_random_seed(3)
        model = make_network()
        if tuned:
            model = kerastl.FineTuner(model)
        kwargs.setdefault("optimizer", keras.optimizers.SGD(0.05, 0.9))
        model.compile(loss="sparse_categorical_crossentropy", **kwargs)
        return model

    return make


def _fit(model, images, labels, epochs=4, callbacks=(), **kwargs):
    watch = Watch()
    model.fit(
        images[:8],
        labels[:8],
        batch_size=4,
        shuffle=False,
        verbose=0,
        epochs=epochs,
        callbacks=[*callbacks, watch],
        **kwargs,
    )
    return watch


@pytest.mark.parametrize(
    "epochs, periods, expected",
    [(40, 2, [20]), (40, 3, [13, 26]), (40, 4, [10, 20, 30]), (5, 1, [])],
)
def test_published_epochs(
    make_tuner, images, labels, epochs, periods, expected
):
    rifle = RIFLE(periods, seed=1)
    rifle.set_params({"epochs": epochs})
    rifle.set_model(make_tuner())
    rifle.on_train_begin()
    assert rifle.epochs == expected


@pytest.mark.parametrize("tuned", [True, False])
def test_only_the_head_is_drawn_anew(make_tuner, images, labels, tuned):
    model = make_tuner(tuned)
    rifle = RIFLE(3, seed=1)
    watch = _fit(model, images, labels, 7, [rifle])
    assert watch.fresh_epochs() == rifle.epochs == [2, 4]
    for before, after in zip(watch.ends, watch.starts[1:], strict=False):
        np.testing.assert_array_equal(before[1], after[1])
    # Evenly up to 1 / sqrt(features), and not the same draw.
    limit = np.sqrt(1 / 12)
    first, second = watch.starts[2][0], watch.starts[4][0]
    for draw in (first, second):
        assert 0.3 * limit < np.abs(draw).max() <= limit
        assert np.abs(draw).mean() == pytest.approx(limit / 2, rel=0.35)
    assert np.abs(first - second).max() > 0.1
    # The last epochs train it: what is saved is not a fresh head.
    assert np.abs(watch.ends[-1][0] - second).max() > 1e-3


def test_kernel_and_bias_are_drawn_alike(make_tuner):
    """From -1 / sqrt(features) to 1 / sqrt(features), as published."""
    model = make_tuner(tuned=False)
    rifle = RIFLE(2, seed=3)
    rifle.set_model(model)
    rifle.set_params({"epochs": 4})
    rifle.on_train_begin()
    kernels, biases = [], []
    for epoch in range(200):
        rifle.begin_period(epoch)
        kernel, bias = model.get_layer("predictions").get_weights()
        kernels.append(kernel)
        biases.append(bias)
    for draws in (np.array(kernels), np.array(biases)):
        bound = 1 / np.sqrt(12)
        assert 0.98 * bound < draws.max() <= bound
        assert -bound <= draws.min() < -0.98 * bound
        # The variance of an even draw.
        assert draws.var() == pytest.approx(bound**2 / 3, rel=0.1)
        assert abs(draws.mean()) < 0.1 * bound
    # Every draw is another; two in float32 may be equal by chance.
    assert len(np.unique(kernels)) > 0.99 * 200 * 36


def test_named_layers(make_tuner, images, labels):
    watch = _fit(
        make_tuner(), images, labels, 2, [RIFLE(2, layers="stem_conv", seed=1)]
    )
    before, after = watch.ends[0], watch.starts[1]
    np.testing.assert_array_equal(before[0], after[0])
    assert np.abs(before[1] - after[1]).max() > 0


def test_same_seed_same_result(make_tuner, images, labels):
    ends = [
        _fit(make_tuner(), images, labels, 4, [RIFLE(2, seed=seed)]).ends[-1]
        for seed in (5, 5, 6)
    ]
    np.testing.assert_array_equal(ends[0][0], ends[1][0])
    assert np.abs(ends[0][0] - ends[2][0]).max() > 0


@pytest.mark.parametrize("killed_after", [1, 2])
def test_a_resumed_training_draws_the_same(
    make_tuner, images, labels, tmp_path, killed_after
):
    whole = _fit(make_tuner(), images, labels, 4, [RIFLE(2, seed=5)])
    first = make_tuner()
    rifle = RIFLE(2, seed=5)
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(
            first, "stop_training", epoch + 1 == killed_after
        )
    )
    _fit(first, images, labels, 4, [rifle, stop])
    first.save(tmp_path / "tuner.keras")
    second = keras.saving.load_model(tmp_path / "tuner.keras")
    resumed = _fit(
        second,
        images,
        labels,
        4,
        [RIFLE(2, seed=5)],
        initial_epoch=killed_after,
    )
    for one, other in zip(whole.ends[-1], resumed.ends[-1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def _momentum(model, name):
    (slot,) = [
        v for v in model.optimizer.variables if v.name == f"{name}_momentum"
    ]
    return np.abs(keras.ops.convert_to_numpy(slot)).max()


@pytest.mark.parametrize("reset", [False, True])
def test_the_momentum_of_the_head(make_tuner, images, labels, reset):
    model = make_tuner()
    rifle = RIFLE(2, reset_optimizer=reset, seed=1)
    _fit(model, images, labels, 2, [rifle])
    assert _momentum(model, "predictions_kernel") > 0
    iterations = int(model.optimizer.iterations)
    rifle.on_epoch_begin(rifle.epochs[0])
    assert (_momentum(model, "predictions_kernel") == 0) == reset
    assert _momentum(model, "stem_conv_kernel") > 0
    assert int(model.optimizer.iterations) == iterations


def _two_optimizers(rate):
    sgd = keras.optimizers.SGD
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(sgd(0.01), {PATTERN: sgd(rate)})
    )


@pytest.mark.parametrize("schedule", [None, "falling", "rising first"])
def test_the_learning_rate_of_the_head_restarts(
    make_tuner, images, labels, schedule
):
    rate = 0.2
    if schedule == "falling":
        rate = keras.optimizers.schedules.CosineDecay(0.2, 10)
    elif schedule == "rising first":
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, 8, warmup_target=0.2, warmup_steps=2
        )
    model = make_tuner(optimizer=_two_optimizers(rate))
    rates = []

    def keep(epoch, logs):
        by_rate = [o.learning_rate for o in model.optimizer.optimizers]
        rates.append([float(value) for value in by_rate])

    rifle = RIFLE(2, restart_learning_rate=True, seed=1)
    keeper = keras.callbacks.LambdaCallback(on_epoch_begin=keep)
    steps = np.arange(0, 10, 2)
    place = np.where(steps < 4, steps / 4, (steps - 4) / 6)
    expected = 0.1 * (1 + np.cos(np.pi * place))
    for _ in range(2):
        # A second fit starts its schedule anew, whatever was traced.
        rates.clear()
        before = _weights_of_head(model)
        _fit(model, images, labels, 5, [rifle, keeper])
        heads, others = zip(*rates, strict=True)
        np.testing.assert_allclose(heads, expected, atol=1e-6)
        np.testing.assert_allclose(others, 0.01, rtol=1e-6)
        assert np.abs(_weights_of_head(model) - before).max() > 1e-3
    # What is resumed is at the place where it was.
    rates.clear()
    _fit(model, images, labels, 5, [rifle, keeper], initial_epoch=3)
    np.testing.assert_allclose(
        [head for head, _ in rates], expected[3:], atol=1e-6
    )


def _weights_of_head(model):
    head = model.student.get_layer("predictions")
    return keras.ops.convert_to_numpy(head.kernel).copy()


def test_mixed_precision(make_tuner, images, labels):
    keras.config.set_dtype_policy("mixed_float16")
    rifle = RIFLE(2, reset_optimizer=True, seed=1)
    watch = _fit(make_tuner(), images, labels, 2, [rifle])
    assert watch.fresh_epochs() == [1]
    assert watch.ends[-1][0].dtype == np.float32
    assert all(np.isfinite(each).all() for each in watch.ends[-1])


@pytest.mark.tensorflow_only
def test_xla_sees_the_fresh_head(make_tuner, images, labels):
    ends = [
        _fit(
            make_tuner(jit_compile=jit), images, labels, 4, [RIFLE(2, seed=5)]
        ).ends[-1]
        for jit in (True, False)
    ]
    np.testing.assert_allclose(ends[0][0], ends[1][0], atol=1e-4)


@pytest.mark.tensorflow_only
@pytest.mark.slow
def test_two_replicas_have_the_same_head(
    make_tuner, images, labels, tmp_path, run_on_two_replicas
):
    tuner = make_tuner()
    tuner.save(tmp_path / "tuner.keras")
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    printed = run_on_two_replicas(
        """
        import json, sys
        import keras, numpy as np
        import kerastl
        data = np.load(sys.argv[1] + "/data.npz")
        with strategy.scope():
            tuner = keras.models.load_model(sys.argv[1] + "/tuner.keras")
        seen = []
        def look(epoch, logs):
            value = tuner.student.get_layer("predictions").kernel.value
            seen.append([v.numpy().tolist() for v in value.values])
        tuner.fit(
            data["images"], data["labels"], batch_size=8, verbose=0, epochs=2,
            callbacks=[
                kerastl.callbacks.RIFLE(2, seed=5, reset_optimizer=True),
                keras.callbacks.LambdaCallback(on_epoch_begin=look),
            ],
        )
        print(json.dumps(seen))
        """,
        tmp_path,
    )
    seen = np.array(json.loads(printed.splitlines()[-1]))
    expected = fan_in_draw(tuner.student.get_layer("predictions"), [5, 1, 0])
    for replica in seen[1]:
        np.testing.assert_allclose(replica, expected[0], atol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"periods": 5}, "periods=5, epochs=4"),
        ({"layers": ["predictionz"]}, "mean 'predictions'"),
        ({"layers": ["pool"]}, "no layer of that name with weights"),
        (
            {"restart_learning_rate": True},
            r"MultiOptimizer.*'\(predictions\)/",
        ),
    ],
)
def test_errors_at_the_start_of_fit(
    make_tuner, images, labels, arguments, message
):
    with pytest.raises(ValueError, match=message):
        _fit(make_tuner(), images, labels, 4, [RIFLE(**arguments)])


def test_errors_at_once(make_network, images, labels):
    with pytest.raises(ValueError, match="periods=0"):
        RIFLE(0)
    source = make_network()
    features = keras.Model(source.inputs, source.get_layer("pool").output)
    features.compile("sgd", "mse")
    with pytest.raises(ValueError, match="no classifier"):
        _fit(features, images, np.zeros((24, 12)), 2, [RIFLE(2)])
