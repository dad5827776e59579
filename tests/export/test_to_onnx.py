import os

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers

import kerastl
from kerastl.export import AccuracyDropError
from kerastl.export import load
from kerastl.export import to_onnx

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def exported(cnn, calibration, evaluation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    return {
        scheme: to_onnx(
            cnn,
            folder / f"{scheme}.onnx",
            scheme,
            calibration=calibration,
            evaluation=evaluation,
            refine="none",
        )
        for scheme in ("float32", "int8")
    }


@pytest.mark.parametrize(
    "scheme, low, high", [("float32", 0, 1e-6), ("int8", 1e-3, 8e-2)]
)
def test_every_scheme_agrees_with_keras(
    exported, scheme, low, high, evaluation, keras_probabilities
):
    report = exported[scheme]
    session = onnxruntime.InferenceSession(report.path)
    [outputs] = session.run(["probabilities"], {"image": evaluation[0]})
    difference = np.abs(outputs - keras_probabilities)
    assert low <= difference.max() <= high
    assert report.max_abs_difference == pytest.approx(
        difference.max(), abs=1e-6
    )
    same = outputs.argmax(1) == keras_probabilities.argmax(1)
    assert report.top1_agreement == same.mean() >= 0.95
    assert report.accuracy == (outputs.argmax(1) == evaluation[1]).mean()
    assert report.num_images == len(evaluation[0])


@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_a_batch_gives_what_its_images_give_alone(exported, scheme, evaluation):
    session = onnxruntime.InferenceSession(exported[scheme].path)
    images = evaluation[0][:7]
    [batch] = session.run(None, {"image": images})
    single = [session.run(None, {"image": image[None]})[0] for image in images]
    np.testing.assert_allclose(batch, np.concatenate(single), atol=1e-6)


@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_the_signature_is_readable(exported, scheme):
    model = onnx.load(exported[scheme].path)
    [image], [output] = model.graph.input, model.graph.output

    def describe(tensor):
        dims = tensor.type.tensor_type.shape.dim
        return tensor.name, [dim.dim_param or dim.dim_value for dim in dims]

    assert describe(image) == ("image", ["batch", 24, 24, 3])
    assert describe(output) == ("probabilities", ["batch", 4])
    assert {(entry.domain, entry.version) for entry in model.opset_import} == {
        ("", 17)
    }
    assert exported[scheme].opset == 17


def test_batch_normalization_is_folded(exported):
    assert exported["float32"].ops == {
        "Add": 1,
        "Clip": 3,
        "Conv": 3,
        "Gemm": 1,
        "GlobalAveragePool": 1,
        "Mul": 1,
        "Softmax": 1,
        "Squeeze": 1,
        "Transpose": 1,
    }


def initializers(report):
    graph = onnx.load(report.path).graph
    return {
        each.name: onnx.numpy_helper.to_array(each)
        for each in graph.initializer
    }, graph


def test_weights_are_int8_per_channel(exported):
    values, graph = initializers(exported["int8"])
    producers = {node.output[0]: node for node in graph.node}
    scales = []
    for node in graph.node:
        if node.op_type == "Conv":
            quantized, scale, _ = producers[node.input[1]].input
            assert values[quantized].dtype == np.int8
            scales.append(values[scale].size)
    assert scales == [16, 16, 96]


def test_pixels_are_one_level_each_and_the_output_is_not_rounded(exported):
    values, graph = initializers(exported["int8"])
    first = next(node for node in graph.node if "image" in node.input)
    assert first.op_type == "QuantizeLinear"
    assert values[first.input[1]] == 1.0
    assert (values[first.input[2]], values[first.input[2]].dtype) == (
        0,
        np.uint8,
    )
    [last] = [node for node in graph.node if "probabilities" in node.output]
    assert last.op_type == "Softmax"


def test_int8_is_smaller_for_a_network_of_some_size(tmp_path, calibration):
    inputs = keras.Input((24, 24, 3))
    x = layers.Conv2D(64, 3, strides=2, activation="relu")(inputs)
    x = layers.Conv2D(128, 3, strides=2, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    sizes = [
        to_onnx(
            model, tmp_path / f"{scheme}.onnx", scheme, calibration=calibration
        ).size_bytes
        for scheme in ("float32", "int8")
    ]
    assert sizes[1] < 0.35 * sizes[0]


@pytest.mark.parametrize("opset", [13, 18])
def test_the_opset_is_the_one_asked_for(cnn, calibration, tmp_path, opset):
    report = to_onnx(
        cnn, tmp_path / "a.onnx", calibration=calibration, opset=opset
    )
    [entry] = onnx.load(report.path).opset_import
    assert entry.version == report.opset == opset


@pytest.mark.parametrize(
    "options, number",
    [
        # Eight at a time these leave four, and five.
        ({"calibration_method": "entropy"}, 20),
        ({"calibration_method": "percentile"}, 13),
        ({"activation_type": "int8"}, 16),
    ],
)
def test_other_ways_to_calibrate(
    cnn, calibration, evaluation, tmp_path, options, number, exported
):
    with pytest.warns(UserWarning, match=f"Only {number} images"):
        report = to_onnx(
            cnn,
            tmp_path / "a.onnx",
            calibration=calibration,
            evaluation=evaluation,
            num_calibration=number,
            **options,
        )
    assert report.top1_agreement > 0.85
    assert load(report.path).predict(evaluation[0]).std() > 0
    with open(report.path, "rb") as ours:
        with open(exported["int8"].path, "rb") as default:
            assert ours.read() != default.read()


def test_a_blurred_network_keeps_its_numbers(cnn_builder, evaluation, tmp_path):
    blurred = cnn_builder(kerastl.layers.BlurPooling2D(4, name="blur"))
    report = to_onnx(
        blurred, tmp_path / "a.onnx", "float32", evaluation=evaluation
    )
    assert report.max_abs_difference < 1e-6


def test_mixed_precision_leaves_no_casts(
    cnn, cnn_builder, evaluation, tmp_path, exported
):
    keras.config.set_dtype_policy("mixed_float16")
    mixed = cnn_builder()
    keras.config.set_dtype_policy("float32")
    mixed.set_weights(cnn.get_weights())
    report = to_onnx(mixed, tmp_path / "a.onnx", "float32")
    assert report.ops == exported["float32"].ops
    np.testing.assert_array_equal(
        load(report.path).predict(evaluation[0]),
        load(exported["float32"].path).predict(evaluation[0]),
    )


def test_too_large_a_drop_leaves_no_file(
    cnn, calibration, evaluation, tmp_path
):
    with pytest.raises(AccuracyDropError) as error:
        to_onnx(
            cnn,
            tmp_path / "a.onnx",
            calibration=np.clip(calibration[0], 120, 136),
            evaluation=evaluation,
            max_accuracy_drop=0.01,
        )
    assert error.value.report.format == "onnx"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"opset": 12}, "`opset` must be one of"),
        ({"opset": 19}, r"of \(13, 14, 15, 16, 17, 18\)\. .*opset=19"),
        ({"calibration_method": "magic"}, "calibration_method='magic'"),
        ({"activation_type": "int4"}, "activation_type='int4'"),
        ({"scheme": "float16"}, "Did you mean 'float32'"),
        ({"path": "a.tflite"}, "must end in '.onnx'"),
        ({"scheme": "int8"}, "needs sample images"),
    ],
)
def test_wrong_arguments(cnn, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    arguments = {"path": "a.onnx", "scheme": "float32", **arguments}
    with pytest.raises(ValueError, match=message):
        to_onnx(cnn, **arguments)
    assert os.listdir(tmp_path) == []


def _network(middle):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Normalization(mean=[120.0] * 3, variance=[900.0] * 3)(
        inputs
    )
    x = middle(keras.layers.Conv2D(8, 3, padding="same")(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(x))


@pytest.mark.parametrize(
    "middle",
    [
        lambda x: keras.layers.Activation("gelu")(x),
        lambda x: keras.layers.Activation("celu")(x),
        lambda x: keras.ops.log1p(keras.ops.abs(x)),
        lambda x: keras.layers.Conv2D(8, 3, groups=4, padding="same")(x),
        lambda x: keras.layers.Conv2D(8, 3, strides=2, groups=8)(x),
    ],
    ids=["gelu", "celu", "log1p", "grouped", "grouped strides"],
)
def test_what_the_exporter_alone_cannot_write(middle, tmp_path):
    images = np.random.default_rng(0).uniform(0, 255, (50, 8, 8, 3))
    images = images.astype("float32")
    for scheme, atol in (("float32", 1e-5), ("int8", 0.1)):
        model = _network(middle)
        path = tmp_path / f"{scheme}.onnx"
        # Of uint8 activations some processors clip the sums.
        to_onnx(model, path, scheme, calibration=images, activation_type="int8")
        np.testing.assert_allclose(
            load(path).predict(images), model(images), atol=atol
        )


def test_an_operator_that_onnx_lacks_is_refused_with_its_layer(tmp_path):
    model = _network(
        lambda x: keras.layers.Resizing(
            6, 6, interpolation="lanczos3", name="shrink"
        )(x)
    )
    with pytest.raises(ValueError, match=r"ScaleAndTranslate.*shrink"):
        to_onnx(model, tmp_path / "a.onnx", "float32")
    assert not list(tmp_path.iterdir())
