import keras
import numpy as np
import pytest

import kerastl
from kerastl.callbacks import StopOnNaN


@keras.saving.register_keras_serializable(package="kerastl_tests")
class Exploding(kerastl.losses.TransferLoss):
    def call(self, student, source):
        return keras.ops.log(-1.0 + 0.0 * keras.ops.sum(student["out_relu"]))


def test_names_the_term_and_stops(make_network, images, labels):
    source = make_network()
    tuner = kerastl.FineTuner(kerastl.antialias(source), source)
    tuner.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PixelLevel(), Exploding()],
    )
    stop = StopOnNaN()
    with pytest.warns(UserWarning, match="not finite: exploding, loss"):
        history = tuner.fit(
            images, labels, epochs=5, verbose=0, callbacks=[stop]
        )
    assert stop.terms == ["exploding", "loss"]
    assert len(history.history["loss"]) == 1


def test_plain_models_too(images):
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.SGD(1e30), "mse")
    stop = StopOnNaN()
    with pytest.warns(UserWarning, match="Lower the learning rate"):
        history = model.fit(
            images, np.ones(24), 8, epochs=9, verbose=0, callbacks=[stop]
        )
    assert stop.terms == ["loss"]
    assert len(history.history["loss"]) == 1


def test_says_nothing_when_all_is_well(make_network, images, labels):
    model = make_network()
    model.compile("sgd", "sparse_categorical_crossentropy")
    stop = StopOnNaN()
    history = model.fit(images, labels, epochs=2, verbose=0, callbacks=[stop])
    assert stop.terms == []
    assert len(history.history["loss"]) == 2
