"""From a run's network to how sure it is, and the files that say it."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl import apps
from kerastl.apps.report.describe_results import describe_confidence
from kerastl.apps.report.describe_results import is_sure
from kerastl.apps.runs import train_run
from kerastl.apps.runs.measure_network import check_calibration
from kerastl.apps.runs.measure_network import measure_confidence
from kerastl.export import load
from kerastl.metrics import expected_calibration_error
from kerastl.metrics import fit_temperature
from kerastl.surgery import output_kind

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.filterwarnings("ignore:The network starts from random"),
]


@pytest.fixture(scope="module")
def data(shapes):
    return apps.load_image_folder(shapes, image_size=16, batch_size=16)


def network(classes=3, activation="softmax"):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 25)(inputs))
    return keras.Model(inputs, layers.Dense(classes, activation)(x))


def answers(model, batches):
    model = load(model)
    images, labels = zip(*batches, strict=True)
    found = np.concatenate([model.predict(np.asarray(each)) for each in images])
    return found.astype("float64"), np.concatenate(labels)


@pytest.mark.parametrize("activation", ["softmax", None])
def test_it_is_what_the_public_functions_say(data, activation):
    model = network(activation=activation)
    kerastl.fit_head(model, data.calibration)
    kernel = model.layers[-1].kernel
    noise = np.random.default_rng(0).normal(0, np.std(kernel), kernel.shape)
    kernel.assign(kernel + noise)
    found = measure_confidence(model, load(model), data, "validation")
    fit = fit_temperature(model, data.validation)
    assert fit.mistakes > 0 and fit.low is not None
    for name, value in fit._asdict().items():
        assert found[name] == pytest.approx(value, rel=1e-4)
    rows, labels = answers(model, data.validation)
    if output_kind(model) == "logits":
        rows = np.exp(rows) / np.exp(rows).sum(-1, keepdims=True)
    error = expected_calibration_error(rows, labels)
    assert found["expected_calibration_error"] == pytest.approx(error)
    rows = rows ** (1 / fit.temperature)
    rows /= rows.sum(-1, keepdims=True)
    error = expected_calibration_error(rows, labels)
    assert found["scaled"] == pytest.approx(error, rel=1e-3)
    assert found["part"] == "validation" and not found["folded"]
    assert found["num_images"] == len(labels) == found["images"]


def test_outputs_that_are_no_classes_are_left_alone(data):
    model = network(activation="sigmoid")
    assert measure_confidence(model, load(model), data, "validation") is None
    with pytest.raises(ValueError, match="sigmoid"):
        check_calibration(True, model, data, None)
    check_calibration(False, model, data, None)


def test_a_run_folds_it_into_every_file(tiny_arguments, tmp_path, monkeypatch):
    arguments = {**tiny_arguments, "exports": [], "epochs": 1}
    # Nine validation images do not tell, and nothing is folded.
    plain = apps.fine_tune(
        **arguments, calibrate_confidence=True, output=tmp_path / "plain"
    )
    assert "do not tell how sure" in describe_confidence(plain.report)
    # As if they did.
    monkeypatch.setattr(train_run, "is_sure", lambda found: True)
    arguments |= {"exports": ["tflite:float32"], "output": tmp_path / "run"}
    calibrated = apps.fine_tune(**arguments, calibrate_confidence=True)
    data = apps.load_image_folder(
        arguments["data"], image_size=16, batch_size=16
    )
    before, found = (
        json.loads((run.output / "report.json").read_text())["confidence"]
        for run in (plain, calibrated)
    )
    assert before == {**found, "folded": False} and found["folded"]
    temperature = found["temperature"]
    assert temperature != 1
    rows, labels = answers(plain.model, data.validation)
    expected = rows ** (1 / temperature)
    expected /= expected.sum(-1, keepdims=True)
    for answering in (
        calibrated.model,
        calibrated.output / "model_float32.tflite",
    ):
        rows, _ = answers(answering, data.validation)
        np.testing.assert_allclose(rows, expected, rtol=1e-3)
        error = expected_calibration_error(rows, labels)
        assert error == pytest.approx(found["scaled"], rel=1e-3)
    matrix = plain.report["confusion"]["matrix"]
    assert calibrated.report["confusion"]["matrix"] == matrix
    sentence = describe_confidence(calibrated.report)
    assert f"{temperature:.2f}" in sentence
    assert sentence in (calibrated.output / "MODEL_CARD.md").read_text()
    with pytest.raises(ValueError, match="calibrate_confidence was True"):
        apps.fine_tune(**arguments, resume=True)


@pytest.mark.parametrize(
    "low, high, sure",
    [
        (1.1, 2.0, True),
        (0.3, 0.9, True),
        (0.9, 1.3, False),
        (1.0, 1.5, False),
        (None, None, False),
    ],
)
def test_a_temperature_has_to_be_sure(low, high, sure):
    assert is_sure({"temperature": 1.2, "low": low, "high": high}) is sure


def test_what_cannot_be_calibrated_is_refused_first(data, tmp_path):
    check_calibration(True, network(), data, None)
    with pytest.raises(ValueError, match="confidence of its own.*qat=3"):
        check_calibration(True, network(), data, 3)
    only = apps.ImageData(
        {"train": data.parts["train"], "test": data.parts["validation"]},
        data.class_names,
        data.image_size,
    )
    with pytest.raises(ValueError, match="there are none.*counts="):
        check_calibration(True, network(), only, None)
    found = measure_confidence(network(), load(network()), only, "test")
    assert "temperature" not in found
    assert "no validation images" in describe_confidence({"confidence": found})


FOUND = {
    "part": "test",
    "num_images": 671,
    "expected_calibration_error": 0.047,
    "folded": False,
    "temperature": 1.4516,
    "low": 1.12,
    "high": 1.87,
    "images": 100,
    "mistakes": 11,
    "scaled": 0.038,
}


@pytest.mark.parametrize(
    "changes, text",
    [
        (
            {},
            "Confidence and accuracy are 4.7 points apart (expected "
            "calibration error, 671 test images); the temperature 1.45 (95 % "
            "interval 1.12 to 1.87), fitted to 100 validation images, would "
            "make that 3.8 points: --calibrate-confidence.",
        ),
        (
            {"folded": True, "before_balance": True},
            "Confidence was calibrated: the temperature 1.45 (95 % interval "
            "1.12 to 1.87), fitted to 100 validation images, divides the "
            "logits in all files. On 671 test images the expected calibration "
            "error went from 4.7 to 3.8 points. This was measured before "
            "--balance.",
        ),
        (
            {"part": "validation", "num_images": 100},
            "Confidence and accuracy are 4.7 points apart (expected "
            "calibration error, 100 validation images); the temperature 1.45 "
            "(95 % interval 1.12 to 1.87), fitted to 100 validation images, "
            "would make that 3.8 points: --calibrate-confidence. They are the "
            "same images, which flatters it.",
        ),
        (
            {"low": None, "temperature": 20.0},
            "Confidence and accuracy are 4.7 points apart (expected "
            "calibration error, 671 test images). 100 validation images do "
            "not tell how sure it should be, the temperature 20.00 (the last "
            "that is tried): the answers stay as they are.",
        ),
        (
            {"low": 0.7},
            "Confidence and accuracy are 4.7 points apart (expected "
            "calibration error, 671 test images). 100 validation images do "
            "not tell how sure it should be, the temperature 1.45 (95 % "
            "interval 0.70 to 1.87): the answers stay as they are.",
        ),
        (
            # It would not help.
            {"scaled": 0.05},
            "Confidence and accuracy are 4.7 points apart (expected "
            "calibration error, 671 test images); the temperature 1.45 (95 % "
            "interval 1.12 to 1.87), fitted to 100 validation images, would "
            "make that 5.0 points.",
        ),
        (
            {"mistakes": 0, "temperature": 1.0, "low": None},
            "Confidence and accuracy are 4.7 points apart (expected "
            "calibration error, 671 test images). All of 100 validation "
            "images are named rightly, which does not tell how sure the "
            "network may be: no temperature was fitted.",
        ),
    ],
)
def test_the_sentences(changes, text):
    assert describe_confidence({"confidence": FOUND | changes}) == text
    rounded = {"confidence": FOUND | changes, "settings": {"qat": 3}}
    assert "--calibrate" not in describe_confidence(rounded)
    assert describe_confidence({}) is None
    assert describe_confidence({"confidence": None}) is None
