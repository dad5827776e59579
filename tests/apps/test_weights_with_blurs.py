"""Weights of an anti-aliased network bring its blurs."""

import io

import keras
import numpy as np
import pytest
import rich.console

import kerastl
from kerastl import apps
from kerastl import export
from kerastl.surgery.blur_like import find_blurs

pytestmark = pytest.mark.tensorflow_only


def answers(model):
    size = model.input_shape[1]
    images = np.random.default_rng(0).uniform(0, 255, (4, size, size, 3))
    return model.predict(images.astype("float32"), verbose=0)


@pytest.fixture(scope="module")
def blurred():
    keras.utils.set_random_seed(0)
    source = apps.MobileNetV2(
        alpha=0.35, weights=None, input_shape=(64, 64, 3), classes=3
    )
    return kerastl.antialias(source, 3, place="kernel", stem=False)


def test_a_preset_answers_as_the_weights_it_was_given(blurred, tmp_path):
    path = tmp_path / "model.keras"
    blurred.save(path)
    for weights in (blurred, path):
        built = apps.MobileNetV2(
            alpha=0.35, weights=weights, input_shape=(64, 64, 3)
        )
        np.testing.assert_array_equal(answers(built), answers(blurred))
    larger = apps.MobileNetV2(
        alpha=0.35, weights=path, input_shape=(96, 96, 3), include_top=False
    )
    assert len(find_blurs(larger)) == len(find_blurs(blurred)) == 4


def test_weights_alone_are_told_to_lack_them(blurred, tmp_path):
    path = tmp_path / "model.weights.h5"
    blurred.save_weights(path)
    arguments = {"alpha": 0.35, "input_shape": (64, 64, 3)}
    with pytest.warns(UserWarning, match="answers otherwise.*antialias"):
        built = apps.MobileNetV2(weights=path, **arguments)
    again = kerastl.antialias(built, 3, place="kernel", stem=False)
    np.testing.assert_array_equal(answers(again), answers(blurred))


def test_a_quantization_aware_network_is_refused(blurred, tmp_path):
    images = np.random.default_rng(0).uniform(0, 255, (100, 64, 64, 3))
    aware = export.quantization_aware(blurred, calibration=images)
    path = tmp_path / "aware.weights.h5"
    aware.save_weights(path)
    arguments = {"alpha": 0.35, "input_shape": (64, 64, 3)}
    with pytest.raises(ValueError, match="quantization-aware.*model.keras"):
        apps.MobileNetV2(weights=aware, **arguments)
    with pytest.raises(ValueError, match="layers that the model lacks"):
        apps.MobileNetV2(weights=path, **arguments)


def test_two_networks_of_one_process_are_told_apart():
    """Some layers of EfficientNet have running numbers for names."""
    arguments = {"input_shape": (32, 32, 3), "classes": 3, "weights": None}
    source = apps.EfficientNetB0(**arguments)
    blurred = kerastl.antialias(source, 3, padding="zeros", place="kernel")
    arguments["weights"] = blurred
    built = apps.EfficientNetB0(**arguments)
    np.testing.assert_array_equal(answers(built), answers(blurred))


def test_a_run_goes_on_from_an_anti_aliased_network(
    finished_run, tiny_arguments, tmp_path
):
    weights = finished_run.output / "model.keras"
    arguments = {**tiny_arguments, "weights": weights, "exports": []}
    said = io.StringIO()
    result = apps.fine_tune(
        **arguments,
        output=tmp_path / "run",
        console=rich.console.Console(file=said, width=80),
    )
    assert "network: its 4 blurs stay" in " ".join(said.getvalue().split())
    earlier, report = finished_run.report, result.report
    before, after = report["measures"]["rows"]
    assert before["label"] == "Before: as the weights came"
    assert before["accuracy"] == earlier["measures"]["rows"][-1]["accuracy"]
    assert ", anti-aliased," in report["title"]
    assert "whose weights had brought its blurs" in report["summary"]["text"]
    rows = report["antialias"]["rows"]
    assert [row["action"] for row in rows] == ["done"] * 4
    page = (result.output / "report.html").read_text()
    assert "blurs of 4 down-sampling layers stayed" in " ".join(page.split())
    names = [
        [blur.name for blur in find_blurs(keras.models.load_model(path))]
        for path in (weights, result.output / "model.keras")
    ]
    assert names[0] == names[1]


def test_a_run_refuses_blurs_of_other_taps(
    finished_run, tiny_arguments, tmp_path
):
    arguments = {
        **tiny_arguments,
        "weights": finished_run.output / "model.keras",
        "output": tmp_path / "run",
    }
    with pytest.raises(ValueError, match=r"have 3 taps.*antialias=5"):
        apps.fine_tune(**arguments, antialias=5)
    assert not (tmp_path / "run" / "model.keras").exists()
