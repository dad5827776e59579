import keras
import pytest
from keras import layers

from kerastl.export import to_tflite


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="TensorFlow can export"
)
def test_another_backend_is_told_what_to_do(tmp_path):
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten()])
    with pytest.raises(RuntimeError, match="KERAS_BACKEND=tensorflow"):
        to_tflite(model, tmp_path / "a.tflite", "float32")


@pytest.mark.tensorflow_only
def test_the_student_of_a_fine_tuner_is_exported(cnn, tmp_path):
    import kerastl

    tuner = kerastl.FineTuner(cnn)
    report = to_tflite(tuner, tmp_path / "a.tflite", "float32")
    assert report.num_images == 32
    assert report.max_abs_difference < 1e-6
    assert any("student of the FineTuner" in note for note in report.notes)
