import importlib.util
import json

import h5py
import keras
import numpy as np
import pytest

from kerastl import apps
from tests.real_weights import WEIGHTS
from tests.real_weights import needs_real_weights

IMAGES = np.random.default_rng(0).uniform(0, 1, (2, 12, 12, 3))


def network():
    layers = keras.layers
    inputs = keras.Input((12, 12, 3), name="photo")
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(max_value=6, name="relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.Conv2D(6, 1, name="side")(x)
    x = layers.Add(name="add")([x, y])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(4, name="dense")(x), name="old")
    generator = np.random.default_rng(1)
    model.set_weights(
        [generator.uniform(0.1, 1, w.shape) for w in model.get_weights()]
    )
    return model


def age(config, name):
    """Writes the config of a layer as tf.keras 2 did."""
    config = {
        key: value
        for key, value in config.items()
        if key not in ("batch_shape", "optional", "renorm", "synchronized")
    }
    config["dtype"] = {
        "class_name": "Policy",
        "config": {"name": "float32"},
    }
    if name == "InputLayer":
        config |= {"batch_input_shape": [None, 12, 12, 3], "ragged": False}
        config["dtype"] = "float32"
    if name == "DepthwiseConv2D":
        config["groups"] = 1
    if name == "BatchNormalization":
        config |= {"axis": [3], "renorm": False, "fused": True}
    if name == "Conv2D":
        config["kernel_initializer"] = {
            "class_name": "VarianceScaling",
            "config": {
                "scale": 1.0,
                "mode": "fan_avg",
                "distribution": "uniform",
                "seed": None,
                "dtype": "float32",
            },
        }
    return config


def write_old_file(path, change=None):
    """Saves the network and gives its config the form of tf.keras 2."""
    model = network()
    model.save(path)
    with h5py.File(path, "r+") as file:
        whole = json.loads(file.attrs["model_config"])
        for layer in whole["config"]["layers"]:
            layer["config"] = age(layer["config"], layer["class_name"])
            layer.pop("module", None)
            layer.pop("registered_name", None)
            if change:
                change(layer)
        for ends in ("input_layers", "output_layers"):
            whole["config"][ends] = [whole["config"][ends]]
        file.attrs["model_config"] = json.dumps(whole)
    return model


def test_an_old_file_gives_the_same_outputs(tmp_path):
    expected = write_old_file(tmp_path / "old.h5")(IMAGES)

    model = apps.load_legacy_h5(tmp_path / "old.h5")

    np.testing.assert_array_equal(model(IMAGES), expected)
    assert model.name == "old"
    assert model.output.shape == (None, 4)


def test_code_that_is_not_in_the_file_is_named(tmp_path):
    def change(layer):
        if layer["config"]["name"] == "relu":
            layer["class_name"] = "TFOpLambda"

    write_old_file(tmp_path / "old.h5", change)
    with pytest.raises(ValueError, match="'relu' is a TFOpLambda"):
        apps.load_legacy_h5(tmp_path / "old.h5")


def test_an_argument_that_did_something_is_not_dropped(tmp_path):
    def change(layer):
        if layer["class_name"] == "BatchNormalization":
            layer["config"]["renorm"] = True

    write_old_file(tmp_path / "old.h5", change)
    with pytest.raises(ValueError, match=r"'norm'.*renorm.*renorm=True"):
        apps.load_legacy_h5(tmp_path / "old.h5")


def test_a_layer_of_the_users_own_says_what_to_do(tmp_path):
    def change(layer):
        if layer["class_name"] == "ReLU":
            layer["class_name"] = "MyOwnReLU"

    write_old_file(tmp_path / "old.h5", change)
    with pytest.raises(ValueError, match="load_weights_into.*MyOwnReLU"):
        apps.load_legacy_h5(tmp_path / "old.h5")


def test_files_without_a_model_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.h5"):
        apps.load_legacy_h5(tmp_path / "nowhere.h5")
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(ValueError, match="text.h5"):
        apps.load_legacy_h5(tmp_path / "text.h5")
    network().save_weights(tmp_path / "only.weights.h5")
    with pytest.raises(ValueError, match="load_weights_into"):
        apps.load_legacy_h5(tmp_path / "only.weights.h5")


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("tf_keras") is None, reason="tf_keras is missing"
)
def test_files_that_tf_keras_wrote(tmp_path, run_in_fresh_process):
    np.save(tmp_path / "images.npy", IMAGES.astype("float32"))
    run_in_fresh_process(
        """
        import sys, numpy as np, tf_keras as keras
        L, folder = keras.layers, sys.argv[1]

        def functional():
            inputs = L.Input((12, 12, 3))
            x = L.Conv2D(6, 3, strides=2, padding="same")(inputs)
            x = L.LeakyReLU(0.3)(L.BatchNormalization()(x))
            x = L.DepthwiseConv2D(3, padding="same")(x)
            x = L.PReLU(shared_axes=[1, 2])(L.SeparableConv2D(6, 3)(x))
            x = L.SpatialDropout2D(0.1)(L.Conv2DTranspose(4, 2)(x))
            y = L.Activation("swish")(L.Conv2D(4, 1)(x))
            x = L.Concatenate()([L.Add()([x, y]), y])
            return keras.Model(inputs, L.GlobalAveragePooling2D()(x))

        part_frozen = functional()
        part_frozen.layers[4].trainable = False
        models = {
            "functional": functional(),
            "nested": keras.Sequential([part_frozen, L.Dense(5)]),
            "sequential": keras.Sequential(
                [L.Conv2D(4, 3, input_shape=(12, 12, 3)), L.MaxPool2D(),
                 L.Flatten(), L.Dense(3, "softmax")]),
            "built": keras.Sequential(
                [L.Rescaling(0.5), L.Conv2D(4, 3), L.GlobalMaxPool2D()]),
        }
        models["built"].build((None, 12, 12, 3))
        generator = np.random.default_rng(2)
        images = np.load(folder + "/images.npy")
        for name, model in models.items():
            model.set_weights(
                [generator.uniform(0.1, 0.5, w.shape)
                 for w in model.get_weights()])
            model.save(f"{folder}/{name}.h5")
            np.save(f"{folder}/{name}.npy", model.predict(images, verbose=0))
        """,
        tmp_path,
    )
    for name in ("functional", "nested", "sequential", "built"):
        model = apps.load_legacy_h5(tmp_path / f"{name}.h5")
        expected = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_allclose(
            model(IMAGES.astype("float32")), expected, rtol=1e-5, atol=1e-6
        )


@needs_real_weights
def test_the_real_old_file_equals_its_twin():
    name = "mobilenet_v1_0.25_224_imagenet_top"
    model = apps.load_legacy_h5(WEIGHTS / f"{name}_keras2.h5")
    twin = apps.MobileNet(weights=WEIGHTS / f"{name}.weights.h5", alpha=0.25)
    images = np.random.default_rng(0).uniform(0, 255, (2, 224, 224, 3))
    np.testing.assert_allclose(
        model(images / 127.5 - 1), twin(images), rtol=1e-4, atol=1e-6
    )
