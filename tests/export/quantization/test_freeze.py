"""Graphs that are awkward to convert, run in both runtimes."""

import contextlib

import keras
import numpy as np
import onnxruntime
import pytest
from keras import layers

import kerastl
from kerastl import export

pytestmark = pytest.mark.tensorflow_only

SIZE = 10
IMAGES = np.random.default_rng(0).uniform(0, 255, (60, SIZE, SIZE, 3))
IMAGES = IMAGES.astype("float32")


@pytest.fixture
def noise():
    """A generator of the test's own, so that a test alone draws the same."""
    return np.random.default_rng(3)


def head(x):
    return layers.Dense(4)(layers.GlobalAveragePooling2D()(x))


def called_twice(x):
    """Every kind of layer that the file has another form of."""
    conv = layers.Conv2D(3, 3, padding="same", name="conv")
    norm = layers.BatchNormalization(name="norm")
    gate = layers.Activation("hard_sigmoid", name="gate")
    pool = layers.AveragePooling2D(2, strides=1, name="pool")
    blur = kerastl.layers.BlurPooling2D(3, strides=1, name="blur")
    apart = layers.SeparableConv2D(
        3, 3, padding="same", activation="swish", name="apart"
    )
    dense = layers.Dense(3, activation="relu", name="shared")
    alone = layers.Rescaling(0.5, 0.1, name="alone")
    for _ in range(2):
        x = layers.ReLU()(norm(conv(x)))
        x = apart(alone(gate(x)))
        x = dense(blur(pool(x)))
    return x


def pooled_into_a_concatenation(x):
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    same = layers.AveragePooling2D(3, strides=1, padding="same")
    parts = [
        same(x),
        layers.Dropout(0.1)(same(layers.Conv2D(4, 1)(x))),
        layers.Conv2D(4, 1, activation="relu")(x),
        layers.MaxPooling2D(3, strides=1, padding="same")(x),
    ]
    return layers.Concatenate()([*parts, layers.Conv2D(2, 1)(parts[0])])


def constants_of_every_shape(x):
    one = layers.Conv2D(1, 3, activation="relu")(x)
    several = one * np.array([0.5, 1.0, 2.0], "float32")
    several = several + np.array([[[0.1, 0.2, 0.3]]], "float32")
    several = layers.Concatenate()([several, layers.Conv2D(3, 3)(x)])
    return several * np.linspace(0.5, 1, 64).reshape(1, 8, 8, 1)


def names_that_are_taken(x):
    for name in (
        "image_quantizer",
        "image_quantizer_1",
        "a",
        "a_quantizer",
        "a_quantizer_levels",
        "image_quantizer_levels",
    ):
        x = layers.Conv2D(3, 3, padding="same", name=name)(x)
    x = layers.SeparableConv2D(3, 3, activation="swish", name="b")(x)
    for name in ("b_depthwise", "b_activation", "reshape"):
        x = layers.Conv2D(3, 1, activation="swish", name=name)(x)
    # What a process that starts anew calls the first `Reshape` of its own.
    x = layers.Reshape((64, 3), name="b_reshape")(x)
    x = layers.BatchNormalization(name="c")(layers.Dense(3, name="d")(x))
    return layers.Reshape((8, 8, 3), name="d_reshape")(x)


def gates_that_are_half_open(x):
    return layers.Activation("hard_sigmoid")(layers.Rescaling(1 / 64, -2)(x))


# Of a constant with a number for every pixel there is no 8-bit form.
IN_FLOAT = {constants_of_every_shape: "multiply_1"}
# With how many levels of the output a file may be off, at most and in the
# mean. Average pooling rounds to the levels of its input, and then again.
GRAPHS = {
    called_twice: (4, 0.5),
    pooled_into_a_concatenation: (2, 1.0),
    constants_of_every_shape: (2, 0.5),
    names_that_are_taken: (4, 0.5),
    gates_that_are_half_open: (2, 0.5),
}


def without_integer_kernels(path, images):
    """What an .onnx file says, whatever a processor makes of it.

    The 8-bit products of onnxruntime saturate on an x86 without VNNI.
    """
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(str(path), options)
    return session.run(None, {"image": images})[0]


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.__name__)
def test_both_files_compute_what_training_did(graph, noise, tmp_path):
    inputs = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(inputs, head(graph(inputs)))
    for variable in model.weights:
        if variable.name in ("bias", "beta"):
            variable.assign(noise.normal(0, 0.1, variable.shape))
    told = contextlib.nullcontext()
    if graph in IN_FLOAT:
        told = pytest.warns(UserWarning, match=f"float.*: {IN_FLOAT[graph]}")
    with told:
        aware = export.quantization_aware(model, calibration=IMAGES)
    tflite = export.to_tflite(aware, tmp_path / "a.tflite", evaluation=IMAGES)
    step = tflite.output["scale"]
    most, mean = (levels * step for levels in GRAPHS[graph])
    assert tflite.input["dtype"] == "int8"
    assert tflite.max_abs_difference <= 1.001 * most
    assert tflite.mean_abs_difference <= mean
    export.to_onnx(aware, tmp_path / "a.onnx", evaluation=IMAGES)
    outputs = without_integer_kernels(tmp_path / "a.onnx", IMAGES)
    difference = np.abs(outputs - aware.predict(IMAGES, verbose=0))
    assert difference.max() <= 1.001 * most
    assert difference.mean() <= mean


@pytest.mark.parametrize(
    "first, low, high",
    [
        (layers.Rescaling(1 / 65535), 0, 65535),
        (layers.Rescaling(1 / 32767.5, -1.0), 0, 65535),
        (layers.Rescaling(100.0, -1.0), 0, 0.02),
        (None, 0, 65535),
    ],
    ids=["16 bits", "16 bits centred", "tiny", "not scaled"],
)
def test_biases_keep_the_kernel_whole_at_every_scale(
    first, low, high, noise, tmp_path
):
    """A bound that ignores the input's scale rounds the kernel anew."""
    inputs = keras.Input((6, 6, 3))
    x = inputs if first is None else first(inputs)
    x = layers.Conv2D(8, 3, name="conv")(x)
    model = keras.Model(inputs, layers.Flatten()(x))
    kernel = model.get_layer("conv").kernel
    size = 1.0 if first is not None else 1 / high
    kernel.assign(noise.normal(0, 0.3 * size, kernel.shape))
    model.get_layer("conv").bias.assign(noise.normal(0, 2.0, 8))
    images = noise.uniform(low, high, (60, 6, 6, 3)).astype("float32")
    aware = export.quantization_aware(model, calibration=images)
    report = export.to_tflite(aware, tmp_path / "a.tflite", evaluation=images)
    step = report.output["scale"]
    assert report.max_abs_difference <= 1.001 * step
    assert report.mean_abs_difference <= 0.05 * step


def in_a_dictionary():
    inputs = keras.Input((SIZE, SIZE, 3), name="picture")
    x = layers.Conv2D(4, 3, activation="relu")(inputs)
    return keras.Model({"picture": inputs}, {"scores": [head(x)]})


def of_bytes():
    inputs = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    x = layers.RandomFlip(name="flip")(inputs)
    x = keras.ops.cast(x, "float32") / 255.0
    return keras.Model(inputs, head(layers.Conv2D(4, 3)(x)))


@pytest.mark.parametrize("make", [in_a_dictionary, of_bytes])
def test_other_inputs_and_outputs(make, tmp_path):
    model = make()
    images = np.rint(IMAGES)
    expected = keras.tree.flatten(model.predict(images, verbose=0))[0]
    aware = export.quantization_aware(model, calibration=images.astype("uint8"))
    assert type(aware.output) is type(model.output)
    assert aware.inputs[0].dtype == model.inputs[0].dtype
    power = np.square(expected).mean()
    for source, calibration in ((model, images), (aware, None)):
        path = tmp_path / "a.tflite"
        report = export.to_tflite(
            source,
            path,
            calibration=calibration,
            evaluation=images,
            compare_to=model,
            overwrite=True,
        )
        assert (report.input["scale"], report.input["zero_point"]) == (1, -128)
        assert not [note for note in report.notes if "In float" in note]
        outputs = export.load(path).predict(images)
        assert np.square(outputs - expected).mean() < 1e-3 * power
        path = tmp_path / "a.onnx"
        export.to_onnx(source, path, calibration=calibration, overwrite=True)
        outputs = without_integer_kernels(path, images)
        assert np.square(outputs - expected).mean() < 1e-3 * power
    measured = export.evaluate(model, (images, expected.argmax(1)))
    assert measured["accuracy"] == 1.0
