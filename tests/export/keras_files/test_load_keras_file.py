import json
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export import load
from kerastl.export.describe_file import describe_file
from kerastl.export.keras_files import load_keras_file
from kerastl.export.utils.third_party import probe_file
from tests.real_weights import WEIGHTS
from tests.real_weights import needs_real_weights

REAL = WEIGHTS / "mobilenet_v1_0.25_224_imagenet_top_keras2.h5"
IMAGES = np.random.default_rng(0).uniform(0, 1, (3, 8, 8, 3)).astype("float32")

pytestmark = pytest.mark.tensorflow_only


def network(last=None):
    inputs = keras.Input((8, 8, 3))
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    x = layers.Dense(4, activation="softmax")(x)
    return keras.Model(inputs, last(x) if last else x)


class Unregistered(layers.Layer):
    def call(self, inputs):
        return inputs * 2


def age(path):
    """Gives a file of Keras 3 the version and arguments of tf.keras 2."""
    with h5py.File(path, "r+") as file:
        whole = json.loads(file.attrs["model_config"])
        for layer in whole["config"]["layers"]:
            if layer["class_name"] == "DepthwiseConv2D":
                layer["config"]["groups"] = 1
        file.attrs["model_config"] = json.dumps(whole)
        file.attrs["keras_version"] = "2.9.0"


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    path = tmp_path_factory.mktemp("old") / "old.h5"
    model = network()
    model.save(path)
    age(path)
    # What the loader of Keras itself makes of it.
    with pytest.raises(TypeError, match="groups"):
        keras.saving.load_model(path, compile=False)
    return path, model.predict(IMAGES, verbose=0)


def test_an_old_model_predicts_as_it_did(old):
    path, expected = old
    np.testing.assert_allclose(load(path).predict(IMAGES), expected, rtol=1e-5)


def test_an_old_model_is_described_and_timed(old):
    path, _ = old
    # 3 x 3 kernels over 8 x 8 x 3, then 3 numbers to 4 classes.
    assert describe_file(path)["multiply_adds"] == 9 * 8 * 8 * 3 + 3 * 4
    assert probe_file(path)["load_ms"] > 0


@needs_real_weights
def test_a_real_old_file():
    images = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3))
    expected = keras.ops.convert_to_numpy(load_keras_file(REAL)(images))
    found = load(REAL).predict(images)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.shape == (1, 1000)
    np.testing.assert_allclose(found.sum(), 1, rtol=1e-4)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files_of_today(tmp_path, suffix):
    model = network()
    model.save(tmp_path / f"new{suffix}")
    np.testing.assert_allclose(
        load(tmp_path / f"new{suffix}").predict(IMAGES),
        model.predict(IMAGES, verbose=0),
        rtol=1e-5,
    )


def weights_only(path):
    network().save_weights(path.with_name("a.weights.h5"))
    return path.with_name("a.weights.h5")


def lambda_layer(path):
    network(layers.Lambda(lambda x: x * 2)).save(path)


def unknown_layer(path):
    network(Unregistered()).save(path)


def old_unknown_layer(path):
    network(Unregistered()).save(path)
    age(path)


def empty(path):
    path.write_bytes(b"")


def pointer(path):
    path.write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        f"oid sha256:{'0' * 64}\nsize 1234\n"
    )


def text(path):
    path.write_text("<!DOCTYPE html>\n<p>Größe</p>\n" * 50, encoding="utf-8")


def folder(path):
    path.mkdir()


def saved_model(path):
    path.mkdir()
    (path / "saved_model.pb").write_bytes(b"\x00")


def other_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"\x00")


def other_suffix(path):
    network().save(path.with_suffix(".h5"))
    shutil.move(path.with_suffix(".h5"), path)


def two_inputs(path):
    ends = [keras.Input((8, 8, 3)) for _ in range(2)]
    x = layers.GlobalAveragePooling2D()(layers.Add()(ends))
    keras.Model(ends, x).save(path)


def fails_to_rebuild(path):
    network().save(path)
    content = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content[name] = archive.read(name)
    content["config.json"] = content["config.json"].replace(
        b'"depth_multiplier"', b'"depth_multiplicator"'
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


SOUND = {
    "weights only": (weights_only, ".h5", "weights only.*load_weights_into"),
    "lambda": (lambda_layer, ".keras", "Lambda.*safe_mode=False"),
    "lambda in h5": (lambda_layer, ".h5", "Lambda.*safe_mode=False"),
    "unknown": (unknown_layer, ".keras", "'Unregistered'.*Import the code"),
    "unknown in h5": (unknown_layer, ".h5", "'Unregistered'.*Import the code"),
    "unknown, old": (old_unknown_layer, ".h5", "load_weights_into.*Unregist"),
    "pointer": (pointer, ".keras", "git lfs pull"),
    "pointer, h5": (pointer, ".h5", "git lfs pull"),
    "pointer, tflite": (pointer, ".tflite", "git lfs pull"),
    "pointer, onnx": (pointer, ".onnx", "git lfs pull"),
    "empty": (empty, ".keras", "is empty"),
    "empty h5": (empty, ".h5", "is empty"),
    "empty tflite": (empty, ".tflite", "is empty"),
    "empty onnx": (empty, ".onnx", "is empty"),
    "text": (text, ".keras", "is text, and begins with '<!DOCTYPE html>'"),
    "text, h5": (text, ".h5", "is text"),
    "text, tflite": (text, ".tflite", "is text"),
    "text, onnx": (text, ".onnx", "is text"),
    "folder": (folder, ".keras", "is a folder.*Expected a file"),
    "SavedModel": (saved_model, "", "SavedModel.*model.save"),
    "other zip": (other_zip, ".keras", "without config.json"),
    "other suffix": (other_suffix, ".keras", "Rename it to 'a.h5'"),
    "two inputs": (two_inputs, ".keras", "one input"),
    "rebuild": (fails_to_rebuild, ".keras", "multiplicator.*file is sound"),
}


@pytest.mark.parametrize("case", SOUND)
def test_the_cause_and_the_way_out_are_named(tmp_path, case):
    make, suffix, message = SOUND[case]
    path = tmp_path / f"a{suffix}"
    path = make(path) or path
    with pytest.raises(ValueError, match=f"(?s){message}") as caught:
        load(path)
    assert "corrupt" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        load_keras_file(tmp_path / "a.h5")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("damage", ["cut", "zeros", "flipped"])
def test_a_damaged_file_is_called_corrupt(tmp_path, suffix, damage):
    path = tmp_path / f"a{suffix}"
    network().save(path)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "zeros":
        content = bytes(len(content))
    else:
        place = content.index(b"depthwise")
        if suffix == ".keras":
            # In the JSON of the config, which the archive stores as it is.
            place = content.index(b'"class_name"')
        content[place - 30 : place + 30] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="corrupt"):
        load(path)
