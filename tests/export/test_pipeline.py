import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export import AccuracyDropError
from kerastl.export import to_onnx
from kerastl.export import to_tflite


@pytest.mark.tensorflow_only
def test_the_student_of_a_fine_tuner_is_exported(cnn, tmp_path):
    import kerastl

    tuner = kerastl.FineTuner(cnn)
    report = to_tflite(tuner, tmp_path / "a.tflite", "float32")
    assert report.num_images == 32
    assert report.max_abs_difference < 1e-6
    assert any("student of the FineTuner" in note for note in report.notes)


@pytest.mark.tensorflow_only
def test_a_file_is_compared_with_the_model_that_is_named(
    cnn, evaluation, tmp_path
):
    worse = keras.models.clone_model(cnn)
    kernel, bias = cnn.layers[-1].get_weights()
    worse.set_weights(cnn.get_weights())
    worse.layers[-1].set_weights([np.roll(kernel, 1, axis=1), bias])
    images, labels = evaluation
    truth, written = (
        model.predict(images, verbose=0) for model in (cnn, worse)
    )
    path = tmp_path / "a.tflite"
    report = to_tflite(
        worse, path, "float32", evaluation=evaluation, compare_to=cnn
    )
    assert report.keras_accuracy == np.mean(truth.argmax(-1) == labels)
    assert report.accuracy == np.mean(written.argmax(-1) == labels)
    assert report.accuracy_drop == report.keras_accuracy - report.accuracy > 0.1
    assert report.max_abs_difference == pytest.approx(
        np.abs(truth - written).max(), abs=1e-5
    )
    assert report.top1_agreement == np.mean(
        truth.argmax(-1) == written.argmax(-1)
    )
    arguments = {"scheme": "float32", "evaluation": evaluation}
    path = tmp_path / "b.onnx"
    with pytest.raises(AccuracyDropError, match="more than the allowed"):
        to_onnx(
            worse, path, compare_to=cnn, max_accuracy_drop=0.01, **arguments
        )
    other = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten()])
    with pytest.raises(ValueError, match="must take the same images"):
        to_onnx(worse, path, compare_to=other, **arguments)
    assert not path.exists()


@pytest.mark.tensorflow_only
def test_a_drop_of_just_what_is_allowed_is_allowed(tmp_path):
    """8 of 10 are right and then 6: in floats, a little more than 0.2."""

    def network(offset):
        model = keras.Sequential(
            [keras.Input((1, 1, 2)), layers.Flatten(), layers.Dense(2)]
        )
        model.set_weights([np.eye(2), np.array([0.0, offset])])
        return model

    images = np.zeros((10, 1, 1, 2), "float32")
    images[..., 0] = np.linspace(0.1, 1, 10)[:, None, None]
    labels = np.array([0] * 8 + [1] * 2)
    assert 0.8 - 0.6 > 0.2
    arguments = {
        "scheme": "float32",
        "evaluation": (images, labels),
        "compare_to": network(0.0),
    }
    worse = network(0.25)
    path = tmp_path / "a.onnx"
    with pytest.raises(AccuracyDropError):
        to_onnx(worse, path, max_accuracy_drop=0.199, **arguments)
    report = to_onnx(worse, path, max_accuracy_drop=0.2, **arguments)
    assert (report.keras_accuracy, report.accuracy) == (0.8, 0.6)
