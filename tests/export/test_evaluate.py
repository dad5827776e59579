import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export import evaluate
from kerastl.export import to_tflite

pytestmark = pytest.mark.tensorflow_only


def test_numbers_equal_those_of_numpy(cnn, evaluation, keras_probabilities):
    images, labels = evaluation
    result = evaluate(cnn, evaluation)
    classes = keras_probabilities.argmax(1)
    confusion = [
        [int(((labels == t) & (classes == p)).sum()) for p in range(4)]
        for t in range(4)
    ]
    assert result["confusion_matrix"] == confusion
    assert result["accuracy"] == (classes == labels).mean() < 1
    assert result["num_images"] == len(images)
    assert result["top5_accuracy"] is None
    assert (result["format"], result["path"]) == ("keras", None)


def test_top_five_counts_the_five_best():
    inputs = keras.Input((1, 1, 7))
    model = keras.Model(inputs, layers.Flatten()(inputs))
    images = np.tile(np.arange(7.0), (7, 1)).reshape(7, 1, 1, 7)
    result = evaluate(model, (images, np.arange(7)))
    assert result["accuracy"] == pytest.approx(1 / 7)
    assert result["top5_accuracy"] == pytest.approx(5 / 7)


def test_a_single_probability_has_two_classes():
    inputs = keras.Input((1, 1, 1))
    x = layers.Activation("sigmoid")(layers.Flatten()(inputs))
    model = keras.Model(inputs, x)
    images = np.array([-0.1, 0.9, 0.8]).reshape(3, 1, 1, 1)
    result = evaluate(model, (images, np.array([0, 1, 0])))
    assert result["confusion_matrix"] == [[1, 1], [0, 1]]


def test_a_file_gives_what_its_report_says(
    cnn, calibration, evaluation, tmp_path
):
    path = tmp_path / "a.tflite"
    report = to_tflite(
        cnn, path, calibration=calibration, evaluation=evaluation
    )
    result = evaluate(path, evaluation, threads=2)
    assert result["accuracy"] == report.accuracy
    assert (result["path"], result["threads"]) == (str(path), 2)
    assert result["latency_ms"] > 0


def test_labels_are_needed(cnn, evaluation):
    with pytest.raises(ValueError, match="without labels"):
        evaluate(cnn, evaluation[0])


def test_an_endless_set_is_refused(cnn, evaluation):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensors(evaluation).repeat()
    with pytest.raises(ValueError, match="never ends"):
        evaluate(cnn, data)


@pytest.mark.parametrize("classes, expected", [(5, None), (6, 1.0)])
def test_five_of_five_say_nothing(classes, expected):
    inputs = keras.Input((1, 1, classes))
    model = keras.Model(inputs, layers.Flatten()(inputs))
    images = np.eye(classes).reshape(classes, 1, 1, classes)
    result = evaluate(model, (images, np.arange(classes)))
    assert result["top5_accuracy"] == expected
