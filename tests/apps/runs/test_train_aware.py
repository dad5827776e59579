import warnings

import keras
import numpy as np
import pytest
from keras import layers

from kerastl import apps
from kerastl.apps.recipes.recipe import Setting
from kerastl.apps.runs import train_aware as module
from kerastl.apps.runs.train_aware import train_aware
from kerastl.apps.runs.train_network import make_tuner
from kerastl.export.runners.inference_model import measure_compression
from kerastl.surgery import cluster_weights
from kerastl.surgery import prune_weights

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture
def digits():
    return apps.load_digits_pair(shots=10, image_size=16, batch_size=10).target


@pytest.fixture
def network():
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(16, 3, padding="same")(x)
    x = layers.Activation("softsign")(x)  # has no 8-bit form
    x = layers.Conv2D(16, 3, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(5, activation="softmax", name="head")(x)
    return keras.Model(inputs, x)


def test_learns_labels_and_keeps_the_float_networks_features(network, digits):
    setting = Setting(network, network, digits, 3, 5)
    tuner = make_tuner(module.RECIPE, setting, jit_compile=False)
    rate = tuner.optimizer._learning_rate
    assert float(tuner.optimizer.momentum) == 0.9
    # A gradient of any length moves all weights together by 3e-4.
    assert tuner.optimizer.global_clipnorm == 1.0
    assert float(rate(0)) == pytest.approx(3e-4)
    assert float(rate(7.5)) == pytest.approx(1.5e-4)
    assert float(rate(15)) == pytest.approx(0, abs=1e-9)
    terms = {term.name: term.weight for term in tuner.transfer_losses}
    assert terms == {"pixel_level": 10.0, "global_level": 10.0}
    for kept, weight in zip(
        tuner.source.get_weights(), network.get_weights(), strict=False
    ):
        np.testing.assert_array_equal(kept, weight)
    assert tuner.batch_norm == "freeze"


def test_trains_a_copy_that_stays_pruned(network, digits):
    pruned = prune_weights(network, sparsity=0.5)
    before = pruned.get_weights()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        aware, history = train_aware(pruned, digits, 2)
    # It was said before the float network was trained.
    assert not any("8-bit" in str(warning.message) for warning in found)
    assert history["epoch"] == [1, 2]
    assert {"loss", "pixel_level", "global_level", "accuracy"} <= set(history)
    for value, old in zip(pruned.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)
    kernel = aware.get_layer("head").get_weights()[0]
    assert not np.array_equal(kernel, before[-2])
    np.testing.assert_allclose(kernel, before[-2], atol=0.05)
    zeros, _ = measure_compression(pruned)
    assert zeros > 0.45
    assert measure_compression(aware) == (zeros, None)


def test_clusters_stay(network, digits):
    clustered = cluster_weights(network, num_clusters=8)
    aware, _ = train_aware(clustered, digits, 1)
    assert measure_compression(aware)[1] <= 8
    trained, before = (
        model.get_layer("head").get_weights()[0] for model in (aware, clustered)
    )
    assert not np.array_equal(trained, before)
