"""Two classes and one number: binary classifiers from the file to the file."""

import shutil

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.surgery import embed

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def photos(tmp_path_factory, shapes):
    folder = tmp_path_factory.mktemp("photos")
    for name in ("circle", "cross"):
        shutil.copytree(shapes / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def binary(photos, tmp_path_factory):
    """A user's own file: features that know the shapes, and a new sigmoid."""
    # Made before the fixture that seeds every test.
    keras.utils.set_random_seed(1)
    data = apps.load_image_folder(photos, 16, batch_size=8)
    network = apps.ResNet8(input_shape=(16, 16, 3), classes=2, weights=None)
    network.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        "sparse_categorical_crossentropy",
    )
    network.fit(data.train, epochs=15, verbose=0, shuffle=False)
    features = embed(network).output
    score = keras.layers.Dense(1, "sigmoid", name="predictions")(features)
    folder = tmp_path_factory.mktemp("weights")
    (folder / "labels.txt").write_text("circle\ncross\n")
    keras.Model(network.inputs, score).save(folder / "model.keras")
    return folder / "model.keras"


def test_a_preset_keeps_a_sigmoid(binary, photos):
    images, _ = apps.load_image_folder(photos, 16).images("train")
    images = images.astype("float32")
    own = keras.saving.load_model(binary)
    built = apps.ResNet8(weights=str(binary), input_shape=(16, 16, 3))
    np.testing.assert_allclose(
        built.predict(images, verbose=0),
        own.predict(images, verbose=0),
        atol=1e-6,
    )


@pytest.mark.slow
def test_a_sigmoid_is_trained_measured_and_shipped(binary, photos, tmp_path):
    with pytest.warns(UserWarning, match="Only .* in `calibration`"):
        result = apps.fine_tune(
            photos,
            preset="resnet8",
            weights=str(binary),
            image_size=16,
            epochs=10,
            batch_size=8,
            learning_rate=0.001,
            exports=["tflite:int8", "onnx:int8"],
            max_accuracy_drop=0.0,
            output=tmp_path / "run",
        )
    assert result.model.output_shape == (None, 1)
    before, after = result.report["measures"]["rows"]
    assert after["accuracy"] == 1.0 > before["accuracy"]
    assert result.report["history"]["accuracy"][-1] > 0.9
    files = [photos / "circle" / "00.png", photos / "cross" / "00.png"]
    for name in ("model.keras", "model_int8.tflite", "model_int8.onnx"):
        said = apps.predict(tmp_path / "run" / name, files).predictions
        best = [each["classes"][0] for each in said]
        assert [each["class"] for each in best] == ["circle", "cross"]
        assert min(each["score"] for each in best) > 0.5
