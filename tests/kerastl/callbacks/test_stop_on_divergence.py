import contextlib
import warnings

import keras
import numpy as np
import pytest

import kerastl
from kerastl.callbacks import RIFLE
from kerastl.callbacks import StopOnDivergence


@keras.saving.register_keras_serializable(package="kerastl_tests")
class Exploding(kerastl.losses.TransferLoss):
    def call(self, student, source):
        return keras.ops.log(-1.0 + 0.0 * keras.ops.sum(student["out_relu"]))


@keras.saving.register_keras_serializable(package="kerastl_tests")
class Growing(kerastl.losses.TransferLoss):
    """Ten times as large in every step, with no gradient."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.layer = keras.layers.Layer(dtype="float32")
        self.size = self.layer.add_weight(
            shape=(), initializer="ones", trainable=False
        )
        self.layer.built = True

    @property
    def layers(self):
        return [self.layer]

    def call(self, student, source):
        self.size.assign(self.size * 10.0)
        return keras.ops.stop_gradient(keras.ops.convert_to_tensor(self.size))


class Change(keras.callbacks.Callback):
    """Changes the model after a step, or at the start of an epoch."""

    def __init__(self, change, epoch, batch=None):
        super().__init__()
        self.change, self.place = change, (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        if self.place == (epoch, None):
            self.change(self.model)

    def on_train_batch_end(self, batch, logs=None):
        if self.place == (self.epoch, batch):
            self.change(self.model)


X = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")


def regression(rate=0.01, scale=1.0):
    """A line to learn, its targets scaled; loss 0 at the end."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(1, name="line")]
    )
    model.compile(keras.optimizers.SGD(rate, momentum=0.5), "mse")
    return model, scale * X @ np.float32([[1], [-1], [2], [3]])


def values(model):
    return [keras.ops.convert_to_numpy(v) for v in model.weights]


def fit(model, targets, *callbacks, **kwargs):
    kwargs = {"epochs": 6, "batch_size": 8, "shuffle": False, **kwargs}
    return model.fit(X, targets, verbose=0, callbacks=callbacks, **kwargs)


@contextlib.contextmanager
def silence():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Training stopped")
        yield


def test_names_the_term_and_stops(make_network, images, labels):
    source = make_network()
    tuner = kerastl.FineTuner(kerastl.antialias(source), source)
    tuner.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PixelLevel(), Exploding()],
    )
    before = tuner.student.get_weights()
    stop = StopOnDivergence()
    with pytest.warns(UserWarning, match="not finite: exploding, loss"):
        history = tuner.fit(
            images, labels, epochs=5, verbose=0, callbacks=[stop]
        )
    assert stop.terms == ["exploding", "loss"]
    assert len(history.history["loss"]) == 1
    for found, expected in zip(
        tuner.student.get_weights(), before, strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_names_the_term_that_explodes_and_stays_finite(
    make_network, images, labels
):
    source = make_network()
    tuner = kerastl.FineTuner(kerastl.antialias(source), source)
    tuner.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PixelLevel(), Growing(weight=0.5)],
    )
    stop = StopOnDivergence()
    with pytest.warns(UserWarning, match="exploded.* growing .*, loss"):
        tuner.fit(
            images,
            labels,
            4,
            epochs=5,
            shuffle=False,
            verbose=0,
            callbacks=[stop],
        )
    assert stop.terms == ["growing", "loss"]
    # 10 in the first step, half of it counts; beyond 1000 times the start.
    assert float(tuner.transfer_losses[1].size) < 1e8


def test_plain_models_too(images):
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.SGD(1e30), "mse")
    stop = StopOnDivergence()
    with pytest.warns(UserWarning, match="Lower the learning rate"):
        history = model.fit(
            images, np.ones(24), 8, epochs=9, verbose=0, callbacks=[stop]
        )
    assert stop.terms == ["loss"]
    assert len(history.history["loss"]) == 1


def test_says_nothing_when_all_is_well(make_network, images, labels):
    model = make_network()
    model.compile("sgd", "sparse_categorical_crossentropy")
    stop = StopOnDivergence()
    with silence():
        history = model.fit(
            images, labels, epochs=2, verbose=0, callbacks=[stop]
        )
    assert (stop.terms, stop.variables, stop.message) == ([], [], "")
    assert stop.sound
    assert len(history.history["loss"]) == 2


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}])
@pytest.mark.parametrize("rate", [2.0, 10.0, 1e3])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_stops_while_the_loss_is_finite(rate, scale, options):
    model, targets = regression(rate, scale)
    model.compile(keras.optimizers.SGD(rate), "mse", **options)
    before = values(model)
    stop = StopOnDivergence()
    with pytest.warns(UserWarning, match="Training stopped at"):
        fit(model, targets, stop, epochs=40)
    assert stop.terms == ["loss"]
    assert "exploded" in stop.message
    assert not stop.sound
    # No epoch was sound, or the weights are those of one.
    for found, start in zip(values(model), before, strict=True):
        assert np.abs(found - start).max() < 1e4 * max(scale, 1)


def test_the_last_sound_epoch_is_put_back_with_its_optimizer():
    whole, targets = regression()
    fit(whole, targets, epochs=2)

    def ruin(model):
        model.get_layer("line").kernel.assign(np.full((4, 1), np.inf))

    model, targets = regression()
    stop = StopOnDivergence()
    with pytest.warns(UserWarning, match="put back to the end of epoch 2"):
        fit(model, targets, stop, Change(ruin, 2, 1))
    for found, value in zip(
        [*model.weights, *model.optimizer.variables],
        [
            *values(whole),
            *map(keras.ops.convert_to_numpy, whole.optimizer.variables),
        ],
        strict=True,
    ):
        np.testing.assert_allclose(found, value, rtol=1e-6)
    # And from there it goes on.
    with silence():
        fit(model, targets, StopOnDivergence())
    assert np.isfinite(values(model)[0]).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e25])
@pytest.mark.parametrize("name", ["moving_variance", "moving_mean", "gamma"])
def test_every_variable_is_looked_at(value, name):
    keras.utils.set_random_seed(0)
    normalization = keras.layers.BatchNormalization(name="bn")
    model = keras.Sequential(
        [keras.Input((4,)), normalization, keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse")
    before = values(model)

    def ruin(model):
        variable = getattr(normalization, name)
        variable.assign(np.full(4, value))

    stop = StopOnDivergence()
    # After the last step of an epoch: no loss sees it.
    with pytest.warns(UserWarning, match=f"not finite: .*bn/{name}"):
        fit(model, np.zeros((24, 1)), stop, Change(ruin, 0, 2), epochs=1)
    assert stop.terms == []
    assert [path.rpartition("/")[2] for path in stop.variables] == [name]
    for found, start in zip(values(model), before, strict=True):
        np.testing.assert_array_equal(found, start)


def test_an_infinite_slot_of_the_optimizer():
    model, targets = regression()

    def ruin(model):
        model.optimizer.variables[-1].assign(np.full((1,), np.inf))

    stop = StopOnDivergence()
    with pytest.warns(UserWarning, match="variables are not finite"):
        fit(model, targets, stop, Change(ruin, 0, 2), epochs=1)
    assert np.isfinite(model.optimizer.variables[-1]).all()


def test_what_was_infinite_before_may_stay_so():
    class Masked(keras.layers.Layer):
        def build(self, shape):
            self.mask = self.add_weight(shape=(3,), trainable=False)

        def call(self, inputs):
            return inputs

    layer = Masked()
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(1)])
    layer.mask.assign(np.array([0, -np.inf, np.inf]))
    model.compile("sgd", "mse")
    with silence():
        fit(model, np.zeros((24, 1)), StopOnDivergence())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("trainable", [True, False])
def test_images_that_are_no_numbers(make_network, labels, bad, trainable):
    images = np.full((24, 16, 16, 3), bad, "float32")
    student = make_network()
    for layer in student.layers[:-1]:
        layer.trainable = trainable
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="24 such images of 24.*index 0"):
        tuner.fit(images, labels, verbose=0)

    def batches():
        for start in range(0, 24, 8):
            yield images[start : start + 8], labels[start : start + 8]

    stop = StopOnDivergence()
    with pytest.warns(UserWarning, match="at batch 0 of epoch 1.*images"):
        tuner.fit(batches(), verbose=0, callbacks=[stop])
    assert stop.terms == ["loss"]


def test_a_plain_model_on_such_images(make_network, labels):
    model = make_network()
    model.compile("sgd", "sparse_categorical_crossentropy")
    images = np.full((24, 16, 16, 3), np.nan, "float32")
    stop = StopOnDivergence()
    with pytest.warns(UserWarning, match="batch 0 of epoch 1"):
        model.fit(images, labels, 8, verbose=0, callbacks=[stop])
    assert stop.terms or stop.variables


def test_the_validation_loss():
    model, targets = regression()
    stop = StopOnDivergence()
    with pytest.warns(UserWarning, match="not finite: val_loss"):
        fit(model, targets, stop, validation_data=(X, np.inf * targets))
    assert stop.terms == ["val_loss"]


def test_a_metric_that_is_no_number_is_no_divergence():
    class Undefined(keras.metrics.MeanSquaredError):
        def result(self):
            return super().result() * float("nan")

    model, targets = regression()
    model.compile("sgd", "mse", metrics=[Undefined(name="share")])
    with silence():
        fit(model, targets, StopOnDivergence())


def test_a_training_that_is_over_before_the_third_step():
    model, targets = regression(1e3)
    before = values(model)
    stop = StopOnDivergence()
    with pytest.warns(UserWarning, match="at the end of epoch 1.*exploded"):
        fit(model, targets, stop, epochs=1)
    for found, start in zip(values(model), before, strict=True):
        np.testing.assert_array_equal(found, start)


def test_a_training_that_another_callback_ends():
    class End(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    model, targets = regression(1e3)
    stop = StopOnDivergence()
    with pytest.warns(UserWarning, match="exploded"):
        fit(model, targets, stop, End(), epochs=9)
    assert stop.terms == ["loss"]


def test_a_validation_loss_that_explodes():
    model, targets = regression()
    stop = StopOnDivergence()
    with pytest.warns(UserWarning, match="exploded.*val_loss"):
        fit(model, targets, stop, validation_data=(X, 1e4 * targets))
    assert stop.terms == ["val_loss"]


@pytest.mark.parametrize("size", [1e2, 1e6, 1e12])
def test_a_single_peak_is_none(size):
    model, targets = regression(0.0)
    targets = targets.copy()
    # One batch of an epoch is far off.
    targets[8:16] *= size
    with silence():
        history = fit(model, targets, StopOnDivergence(), epochs=3)
    assert len(history.history["loss"]) == 3


@pytest.mark.parametrize("scale", [1e-6, 1.0, 100.0, 1e6])
def test_a_classifier_drawn_anew_is_none(scale):
    # The start is learned: the loss is 0 and rises to what the targets are.
    model, targets = regression(0.1, scale)
    model.get_layer("line").kernel.assign(
        scale * np.float32([[1], [-1], [2], [3]])
    )
    with silence():
        history = fit(
            model,
            targets,
            StopOnDivergence(),
            RIFLE(periods=3, layers=["line"], seed=0),
        )
    losses = history.history["loss"]
    assert len(losses) == 6
    assert losses[2] > 1e6 * max(losses[1], 1e-12 * scale**2)


def test_a_warm_restart_and_a_learned_network_are_none():
    model, targets = regression()
    rate = kerastl.schedules.CyclicCosine(0.3, 18, 3)
    model.compile(keras.optimizers.SGD(rate), "mse")
    model.get_layer("line").kernel.assign(np.float32([[1], [-1], [2], [3]]))
    targets = targets + np.random.default_rng(1).normal(0, 0.3, (24, 1))
    with silence():
        fit(model, targets, StopOnDivergence())


@pytest.mark.parametrize(
    "options", [{"factor": 1.0}, {"factor": float("nan")}, {"patience": 0}]
)
def test_refuses(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"Received: {name}="):
        StopOnDivergence(**options)


@pytest.mark.tensorflow_only
def test_two_replicas(run_on_two_replicas):
    printed = run_on_two_replicas(
        """
        import warnings
        import keras, numpy as np, kerastl
        with strategy.scope():
            model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
            model.compile(keras.optimizers.SGD(10.0, momentum=0.9), "mse")
        before = model.get_weights()
        x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
        stop = kerastl.callbacks.StopOnDivergence()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, x[:, :3], batch_size=4, epochs=9, verbose=0,
                      callbacks=[stop])
        same = all(map(np.array_equal, before, model.get_weights()))
        print(stop.terms, same)
        """
    )
    assert printed.splitlines()[-1] == "['loss'] True"
