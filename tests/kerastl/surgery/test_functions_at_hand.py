"""Functions that Keras could not find by a name come along in every rewrite."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl import surgery
from kerastl.surgery.rebuild import config_of


def own_activation(x):
    return 1.5 * ops.relu(x)


@keras.saving.register_keras_serializable("tests")
def registered_activation(x):
    return ops.relu(x) + 1.0


def network(activation):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(
        8, 3, strides=2, activation=activation, padding="same", name="strided"
    )(inputs)
    x = layers.DepthwiseConv2D(3, activation=activation, name="depthwise")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(6, activation=activation, name="hidden")(x)
    return keras.Model(inputs, layers.Dense(3, "softmax", name="head")(x))


def answers(model):
    images = np.random.default_rng(0).normal(size=(4, 12, 12, 3))
    return keras.ops.convert_to_numpy(model(images.astype("float32")))


SAME = {
    "copy": surgery.copy_model,
    "antialias": lambda model: kerastl.antialias(model, 1),
    "in kernel": lambda model: kerastl.antialias(model, 1, place="kernel"),
    "folded": lambda model: surgery.fold_blurs(
        kerastl.antialias(model, 1, place="kernel")
    ),
    "drop connect": lambda model: surgery.add_drop_connect(model, 0.0),
    "twice": lambda model: surgery.copy_model(surgery.copy_model(model)),
}


@pytest.mark.parametrize("rewrite", SAME)
@pytest.mark.parametrize(
    "activation",
    [
        lambda x: 1.5 * ops.relu(x),
        own_activation,
        registered_activation,
        "relu",
    ],
    ids=["lambda", "function", "registered", "name"],
)
def test_a_rewrite_answers_as_before(rewrite, activation):
    model = network(activation)
    copy = SAME[rewrite](model)
    np.testing.assert_allclose(answers(copy), answers(model), rtol=2e-6)


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda model: kerastl.replace_head(model, 5, seed=0),
        lambda model: surgery.prune_channels(model, 0.5),
        lambda model: surgery.fresh_weights(model.get_layer("hidden"), seed=0),
    ],
    ids=["replace_head", "prune_channels", "fresh_weights"],
)
def test_other_rewrites_take_it_too(rewrite):
    rewrite(network(own_activation))


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("scheme", ["int8", "int4"])
def test_files_take_it_too(scheme, tmp_path):
    from kerastl import export

    generator = np.random.default_rng(0)
    images = generator.normal(size=(100, 12, 12, 3)).astype("float32")
    model = network(own_activation)
    path = tmp_path / "model.tflite"
    export.to_tflite(model, path, scheme=scheme, calibration=images)
    expected = model.predict(images, verbose=0)
    error = np.abs(export.load(path).predict(images) - expected).mean()
    assert error < (0.02 if scheme == "int4" else 0.005)
    with pytest.warns(UserWarning, match="no 8-bit form"):
        aware = export.quantization_aware(model, calibration=images)
    error = np.abs(aware.predict(images, verbose=0) - expected).mean()
    assert error < 0.005


def test_what_keras_finds_by_its_name_stays_a_name():
    for activation in ("relu", registered_activation):
        layer = layers.Dense(2, activation=activation)
        assert config_of(layer) == layer.get_config()
    layer = layers.Dense(2, activation=own_activation)
    assert config_of(layer)["activation"] is own_activation
