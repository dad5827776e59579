import keras
import numpy as np
import pytest
from keras import layers

from kerastl.apps.report.save_examples import choose_examples
from kerastl.export import evaluate
from kerastl.export import load
from kerastl.export import to_onnx
from kerastl.export import to_tflite
from kerastl.export.runners.class_scores import class_scores
from kerastl.export.runners.class_scores import kind_by_values
from kerastl.export.runners.class_scores import kind_in_file
from kerastl.export.runners.class_scores import predicted

pytestmark = pytest.mark.tensorflow_only


def test_one_output_is_yes_or_no():
    outputs = np.array([[0.2], [0.5], [0.7], [-3.0]], "float32")
    assert predicted(outputs[:3], "sigmoid").tolist() == [0, 0, 1]
    assert predicted(outputs, "logits").tolist() == [1, 1, 1, 0]
    yes = 1 / (1 + np.exp(-outputs))
    np.testing.assert_allclose(
        class_scores(outputs, "logits"), np.hstack([1 - yes, yes]), rtol=1e-6
    )
    several = np.array([[0.1, 0.9], [2.0, -1.0]])
    assert class_scores(several, None) is several
    assert predicted(several, None).tolist() == [1, 0]


def test_the_end_of_a_file_tells():
    assert kind_in_file(["DEQUANTIZE", "LOGISTIC", "MEAN"]) == "sigmoid"
    assert kind_in_file(["RESHAPE", "FULLY_CONNECTED"]) == "logits"
    assert kind_in_file(["Div", "Add"]) is None
    assert kind_in_file([]) is None


@pytest.mark.parametrize(
    "values, kind",
    [
        ((0.0, 1.0), "sigmoid"),
        ((0.3, 0.4), "sigmoid"),
        ((-0.01, 0.5), "logits"),
        ((0.5, 1.01), "logits"),
    ],
)
def test_values_tell_where_nothing_else_does(values, kind):
    given = []

    def predict(images):
        given.append(images)
        return np.resize(np.float32(values), (len(images), 1))

    assert kind_by_values(predict, (3, 4, 2)) == kind
    [images] = given
    assert (images.shape, images.dtype) == ((8, 3, 4, 2), np.float32)
    # Pixels: the same eight every time, from black to white.
    expected = np.random.default_rng(0).uniform(0, 255, (8, 3, 4, 2))
    np.testing.assert_allclose(images, expected, rtol=1e-6)


def network(end):
    """Brightness, from 0 to 1, less 0.4, doubled: a logit of -0.8 to 1.2."""
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(inputs))
    dense = layers.Dense(1)
    x = dense(x)
    dense.set_weights([np.full((3, 1), 2 / 3), np.array([-0.8])])
    if end == "sigmoid":
        x = layers.Activation("sigmoid")(x)
    if end == "arithmetic":
        x = 1 / (1 + keras.ops.exp(-x))
    return keras.Model(inputs, x)


# Two that are no, and a yes with a logit between 0 and 0.5.
LEVELS = (0.1, 0.3, 0.5, 0.9)
IMAGES = np.stack([np.full((8, 8, 3), 255 * each) for each in LEVELS])
IMAGES = IMAGES.astype("float32")
LABELS = np.array([0, 0, 1, 1])


@pytest.mark.parametrize("end", ["logits", "sigmoid", "arithmetic"])
def test_every_file_counts_yes_and_no_alike(tmp_path, end):
    model = network(end)
    model.save(tmp_path / "a.keras")
    report = to_tflite(
        model, tmp_path / "a.tflite", "float32", evaluation=(IMAGES, LABELS)
    )
    assert report.accuracy == report.keras_accuracy == 1
    to_onnx(model, tmp_path / "a.onnx", "float32")
    with pytest.warns(UserWarning, match="Only 4 images"):
        to_tflite(model, tmp_path / "b.tflite", calibration=IMAGES)
    yes = 1 / (1 + np.exp(0.8 - 2 * np.array(LEVELS)))
    for name in ("a.keras", "a.tflite", "a.onnx", "b.tflite"):
        runner = load(tmp_path / name)
        assert (runner.kind == "logits") == (end == "logits"), name
        scores = runner.classify(IMAGES)
        assert scores.shape == (4, 2)
        # The eight bits of b.tflite.
        np.testing.assert_allclose(scores[:, 1], yes, atol=0.02)
        found = evaluate(tmp_path / name, (IMAGES, LABELS))
        assert found["confusion_matrix"] == [[2, 0], [0, 2]], name


@pytest.mark.parametrize("end", ["logits", "sigmoid"])
def test_examples_of_one_output_are_yes_or_no(end):
    chosen = choose_examples(
        load(network(end)).classify,
        [(IMAGES, 1 - LABELS)],
        ["no", "yes"],
    )
    found = {
        round(image[0, 0, 0] / 255, 1): (row["prediction"], row["confidence"])
        for image, row in chosen
    }
    yes = 1 / (1 + np.exp(0.8 - 2 * np.array(LEVELS)))
    assert {key: name for key, (name, _) in found.items()} == {
        0.1: "no",
        0.3: "no",
        0.5: "yes",
        0.9: "yes",
    }
    for level, each in zip(LEVELS, yes, strict=True):
        assert found[level][1] == pytest.approx(max(each, 1 - each), abs=2e-3)
