"""The same network through tensorflow-model-optimization, op by op.

That package takes Keras 2 models only, so a twin is built with `tf_keras` from
the same weights and the same ranges, and both int8 files are compared.
"""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.interpreter import OpResolverType

from kerastl import export
from kerastl.export.quantization.quantized_activation import load_quantizers

pytestmark = pytest.mark.tensorflow_only

IMAGES = np.random.default_rng(1).normal(size=(64, 16, 16, 3)).astype("float32")


def build(library):
    layers = library.layers

    def conv_bn(x, conv, name, relu=True):
        x = conv(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x

    def conv(name, filters, size, **options):
        return layers.Conv2D(
            filters, size, use_bias=False, name=name, **options
        )

    inputs = library.Input((16, 16, 3))
    stem = conv("stem", 8, 3, strides=2, padding="same")
    x = stem = conv_bn(inputs, stem, "stem")
    depthwise = layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, name="depthwise"
    )
    x = conv_bn(x, depthwise, "depthwise")
    x = conv_bn(x, conv("project", 8, 1), "project", relu=False)
    x = layers.Add(name="add")([stem, x])
    left = conv_bn(x, conv("left", 4, 1), "left")
    right = conv_bn(x, conv("right", 4, 1), "right")
    x = layers.Concatenate(name="concat")([left, right])
    x = layers.MaxPooling2D(2, name="max")(x)
    x = layers.Conv2D(6, 3, name="biased", activation="relu")(x)
    x = layers.Conv2D(6, 1, name="linear")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    x = layers.Dropout(0.2, name="dropout")(x)
    x = layers.Dense(4, activation="softmax", name="head")(x)
    return library.Model(inputs, x)


@pytest.fixture(scope="module")
def pair():
    """Our quantization-aware model and theirs, with the same variables."""
    load_quantizers()
    import tensorflow_model_optimization
    import tf_keras

    ours, theirs = build(keras), build(tf_keras)
    generator = np.random.default_rng(0)
    for variable in ours.variables:
        value = generator.normal(size=variable.shape) * 0.5
        if "variance" in variable.path:
            value = np.abs(value) + 0.3
        variable.assign(value)
    # Theirs has one scale for the whole depthwise kernel. With one largest
    # weight in all channels that is no difference.
    kernel = ours.get_layer("depthwise").kernel
    value = keras.ops.convert_to_numpy(kernel)
    kernel.assign(value / np.abs(value).max((0, 1, 3), keepdims=True))
    for layer in ours.layers:
        if layer.weights:
            theirs.get_layer(layer.name).set_weights(layer.get_weights())
    ours = export.quantization_aware(ours, calibration=IMAGES)
    quantization = tensorflow_model_optimization.quantization.keras
    theirs = quantization.quantize_model(theirs)
    theirs(IMAGES, training=True)
    for layer in theirs.layers:  # the call above moved the statistics
        inner = getattr(layer, "layer", None)
        if isinstance(inner, tf_keras.layers.BatchNormalization):
            inner.set_weights(ours.get_layer(inner.name).get_weights())
    return ours, theirs


def their_ranges(model):
    """Variables of the activation ranges, by our quantizers' names."""
    ranges = {}
    for layer in model.layers:
        name = layer.name.removeprefix("quant_")
        for weight in layer.weights:
            kind, _, end = weight.name.split("/")[-1][:-2].rpartition("_")
            if end not in ("min", "max") or "kernel" in kind:
                continue
            ours = f"{name}_quantizer"
            if kind == "pre_activation":
                ours = f"{name}/input_quantizer"
            if name == "quantize_layer":
                ours = "image_quantizer"
            ranges.setdefault(ours, {})[end] = weight
    return ranges


def our_quantizers(model):
    found = {
        layer.name: layer
        for layer in model.layers
        if layer.name.endswith("quantizer")
    }
    head = model.get_layer("head")
    found["head/input_quantizer"] = head.quantized_activation.input_quantizer
    return found


def test_the_same_tensors_are_rounded(pair):
    ours, theirs = pair
    assert our_quantizers(ours).keys() == their_ranges(theirs).keys()
    assert len(our_quantizers(ours)) == 10


def convert(model, path):
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())


def operations(path):
    """Yields every operator with the constants and scales that it reads."""
    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=(
            OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    )
    interpreter.allocate_tensors()
    tensors = {each["index"]: each for each in interpreter.get_tensor_details()}
    details = interpreter._get_ops_details()
    computed = {index for each in details for index in each["outputs"]}
    computed |= {each["index"] for each in interpreter.get_input_details()}
    for each in details:
        yield (
            each["op_name"],
            [tensors[index]["dtype"] for index in each["inputs"]],
            [
                interpreter.get_tensor(index)
                for index in each["inputs"]
                if index not in computed
            ],
            [
                tensors[index]["quantization_parameters"][key]
                for index in (*each["inputs"], *each["outputs"])
                for key in ("zero_points", "scales")
            ],
        )


def test_the_files_are_the_same_op_by_op(pair, tmp_path):
    ours, theirs = pair
    quantizers = our_quantizers(ours)
    for name, variables in their_ranges(theirs).items():
        for end, variable in variables.items():
            value = getattr(quantizers[name], end)
            variable.assign(keras.ops.convert_to_numpy(value))
    export.to_tflite(ours, tmp_path / "ours.tflite")
    convert(theirs, tmp_path / "theirs.tflite")
    received = list(operations(tmp_path / "ours.tflite"))
    expected = list(operations(tmp_path / "theirs.tflite"))
    assert [each[:2] for each in received] == [each[:2] for each in expected]
    assert sum(len(constants) for _, _, constants, _ in received) == 17
    for (_, _, constants, scales), (
        _,
        _,
        theirs_constants,
        theirs_scales,
    ) in zip(received, expected, strict=True):
        for a, b in zip(constants, theirs_constants, strict=True):
            # Biases may fall on the other side of a half.
            tolerance = 1 if a.dtype == np.int32 else 0
            np.testing.assert_allclose(
                a.astype("int64"), b.astype("int64"), atol=tolerance
            )
        for a, b in zip(scales, theirs_scales, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
