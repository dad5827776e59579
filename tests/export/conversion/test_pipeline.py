from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export import SCHEMES
from kerastl.export import AccuracyDropError
from kerastl.export import diagnose
from kerastl.export import load
from kerastl.export import quantization_aware
from kerastl.export import to_onnx
from kerastl.export import to_tflite
from kerastl.export.conversion import choose_images
from kerastl.export.conversion import pipeline
from kerastl.export.runners.inference_model import lower


@pytest.mark.tensorflow_only
def test_the_student_of_a_fine_tuner_is_exported(cnn, tmp_path):
    import kerastl

    tuner = kerastl.FineTuner(cnn)
    report = to_tflite(tuner, tmp_path / "a.tflite", "float32")
    assert report.num_images == 32
    assert report.max_abs_difference < 1e-6
    assert any("student of the FineTuner" in note for note in report.notes)


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    "write, scheme, ending, aware",
    [
        (to_tflite, "float32", ".tflite", False),
        (to_tflite, "int8", ".tflite", False),
        (to_tflite, "int4", ".tflite", False),
        (to_tflite, "int8", ".tflite", True),
        (to_onnx, "int8", ".onnx", False),
        (to_onnx, "int8", ".onnx", True),
    ],
)
def test_the_precision_of_a_training_reaches_no_file(
    cnn, calibration, tmp_path, write, scheme, ending, aware
):
    """Layers that an export makes are float32, whatever the process trains."""
    model, options = cnn, {"calibration": calibration, "refine": "auto"}
    if aware:
        model = quantization_aware(cnn, calibration=calibration)
        options = {}
    files = []
    for policy in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        path = tmp_path / f"{policy}{ending}"
        report = write(model, path, scheme, **options)
        assert keras.config.dtype_policy().name == policy
        losses = diagnose(model, path, calibration[0][:4]).to_dict()
        answers = load(path).predict(calibration[0])
        files.append((report.ops, losses["layers"], answers))
    assert files[1][:2] == files[0][:2]
    np.testing.assert_array_equal(files[1][2], files[0][2])


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


@pytest.mark.parametrize(
    "format, scheme",
    [(format, scheme) for format in SCHEMES for scheme in SCHEMES[format]],
)
def test_which_scheme_needs_what(format, scheme):
    row = SCHEMES[format][scheme]
    images = np.zeros(1)
    pipeline._check_scheme(row, False, images)
    if scheme not in ("float32", "float16", "dynamic"):
        with pytest.raises(ValueError, match=f"'{scheme}' needs sample images"):
            pipeline._check_scheme(row, False, None)
    else:
        pipeline._check_scheme(row, False, None)
    # What was trained with rounding knows its ranges, and has one form.
    if scheme in ("int8", "uint8_io"):
        pipeline._check_scheme(row, True, None)
    else:
        with pytest.raises(ValueError, match=f"scheme='{scheme}'"):
            pipeline._check_scheme(row, True, images)


@pytest.fixture(scope="module")
def lowered():
    inputs = keras.Input((4, 4, 3))
    outputs = layers.Dense(3)(layers.Flatten()(inputs))
    return lower(keras.Model(inputs, outputs))


@pytest.mark.parametrize("drop", [0, 0.0, 0.5, 0.999])
def test_a_drop_is_a_fraction(lowered, drop):
    labelled = np.zeros((2, 4, 4, 3)), np.array([0, 2])
    batches = choose_images.evaluation_batches(labelled, lowered, drop)
    assert batches.has_labels and batches.name == "evaluation"
    for evaluation, what in ((None, "None"), (labelled[0], "without labels")):
        with pytest.raises(ValueError, match=f"evaluation={what}"):
            choose_images.evaluation_batches(evaluation, lowered, drop)


@pytest.mark.parametrize("drop", [-0.001, 1, 1.0, 50, float("nan")])
def test_what_is_no_fraction(lowered, drop):
    with pytest.raises(ValueError, match="is a fraction"):
        choose_images.evaluation_batches(None, lowered, drop)
    assert choose_images.evaluation_batches(None, lowered, None) is None


def test_what_a_file_is_compared_on(lowered):
    given = object()
    found = choose_images.choose_reference(
        given, np.zeros((1, 4, 4, 3)), lowered
    )
    assert found == ("evaluation", given)
    images = np.full((5, 4, 4, 3), 7.0)
    name, batches = choose_images.choose_reference(None, images, lowered)
    [(found, labels)] = batches
    np.testing.assert_array_equal(found, images)
    assert (name, batches.name, labels) == ("calibration",) * 2 + (None,)
    name, batches = choose_images.choose_reference(None, None, lowered)
    [(found, _)] = batches
    expected = np.random.default_rng(0).uniform(0, 255, (32, 4, 4, 3))
    np.testing.assert_array_equal(found, expected.astype("float32"))
    assert name == batches.name == "random"
    one = choose_images.random_images(lowered, 1)
    assert (one.shape, one.dtype) == ((1, 4, 4, 3), np.float32)
    assert 0 <= one.min() < 20 and 200 < one.max() <= 255


@pytest.mark.parametrize(
    "kind, outputs, name",
    [
        ("sigmoid", None, "probabilities"),
        ("logits", None, "outputs"),
        (None, [0.25, 0.75], "probabilities"),
        (None, [0.0, 1.0], "probabilities"),
        (None, [0.25, 0.7505], "probabilities"),
        (None, [0.25, 0.752], "outputs"),
        (None, [1.5, -0.5], "outputs"),
        (None, [0.5, 0.6], "outputs"),
        (None, [-0.001, 1.001], "outputs"),
    ],
)
def test_what_an_output_is_called(kind, outputs, name):
    def predict(images):
        assert (images.shape, images.dtype) == ((1, 2, 2, 3), np.float32)
        assert not images.any()
        return np.float32([outputs])

    runner = SimpleNamespace(kind=kind, input_shape=(2, 2, 3), predict=predict)
    assert pipeline._output_name(runner) == name


@pytest.mark.parametrize(
    "drop, allowed, is_too_much",
    [
        (0.2, None, False),
        (0.2, 0.2, False),
        (0.2 + 1e-10, 0.2, False),
        (0.2 + 1e-8, 0.2, True),
        (-0.1, 0, False),
        (0.1, 0, True),
    ],
)
def test_when_a_drop_is_too_large(drop, allowed, is_too_much):
    report = SimpleNamespace(accuracy_drop=drop)
    assert pipeline._drops(report, allowed) == is_too_much


@pytest.mark.parametrize("shape, units", [((4, 4, 3), 2), ((4, 5, 3), 3)])
def test_another_network_is_none_to_compare_with(lowered, shape, units):
    inputs = keras.Input(shape)
    outputs = layers.Dense(units)(layers.Flatten()(inputs))
    other = keras.Model(inputs, outputs)
    with pytest.raises(ValueError, match=f"and {units}$"):
        pipeline._other_truth(other, lowered)
    assert pipeline._other_truth(lowered.source, lowered).num_classes == 3


@pytest.mark.parametrize("form", [tuple, iter])
def test_a_second_file_is_held_against_all_images_too(lowered, form):
    """Where the refined file is refused, the plain one is proved anew."""
    images = np.random.default_rng(0).uniform(0, 255, (70, 4, 4, 3))
    images, labels = images.astype("float32"), np.arange(70) % 3
    data = (images, labels)
    if form is iter:
        data = iter([(images[:40], labels[:40]), (images[40:], labels[40:])])
    batches = choose_images.evaluation_batches(data, lowered, 0.01)
    for _ in range(2):
        found = np.concatenate([part for part, _ in batches])
        np.testing.assert_array_equal(found, images)
