"""Blurs in kernels, in files: one larger convolution, run by the runtimes."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

import kerastl
from kerastl import export
from kerastl.export.quantization.freeze import find_quantizers
from kerastl.export.runners.inference_model import lower

pytestmark = pytest.mark.tensorflow_only

SIZE = 24


def build():
    """Every class of convolution, and zeros that "same" would not add."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(inputs)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad")(x)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(momentum=0.8, name="stem_bn")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    x = layers.DepthwiseConv2D(3, 2, padding="same", name="dw")(x)
    x = layers.BatchNormalization(momentum=0.8, name="dw_bn")(x)
    x = layers.ReLU(6.0, name="dw_relu")(x)
    x = layers.SeparableConv2D(8, 3, 2, name="separable")(x)
    x = layers.ReLU(name="act")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    outputs = layers.Dense(4, activation="softmax", name="head")(x)
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="module")
def blurred(calibration):
    keras.utils.set_random_seed(0)
    model = kerastl.antialias(build(), place="kernel")
    model.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    model.fit(*calibration, epochs=8, batch_size=16, verbose=0)
    return model


def kernel_shapes(path):
    """Shapes of the convolutions' kernels in a TFLite file, in order."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    shapes = {
        each["index"]: tuple(each["shape"])
        for each in interpreter.get_tensor_details()
    }
    return [
        shapes[each["inputs"][1]]
        for each in interpreter._get_ops_details()
        if "CONV_2D" in each["op_name"]
    ]


def test_lowered_it_is_plain_and_the_model_stays(blurred, calibration):
    kinds = [type(layer) for layer in blurred.layers]
    lowered = lower(blurred)
    assert [type(layer) for layer in blurred.layers] == kinds
    assert lowered.source is blurred
    assert type(lowered.model.get_layer("stem")) is layers.Conv2D
    np.testing.assert_allclose(
        lowered.model(calibration[0]), blurred(calibration[0]), atol=1e-6
    )


def test_from_mixed_precision_the_file_has_float32(calibration, tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    model = kerastl.antialias(build(), place="kernel")
    report = export.to_tflite(
        model, tmp_path / "m.tflite", "float32", evaluation=calibration[0]
    )
    assert report.max_abs_difference < 0.01
    assert report.ops["CONV_2D"] + report.ops["DEPTHWISE_CONV_2D"] == 4
    assert not any(op.startswith("CAST") for op in report.ops)


@pytest.mark.parametrize("scheme", ["float32", "int8", "int8_per_tensor"])
def test_tflite_has_one_convolution_for_each(
    scheme, blurred, calibration, tmp_path
):
    path = tmp_path / "model.tflite"
    report = export.to_tflite(
        blurred, path, scheme, calibration=calibration, evaluation=calibration
    )
    # The 3x3 convolution that pads nothing needs zeros, the others do not.
    assert report.ops["PAD"] == 1
    assert report.partitions == 1
    shapes = kernel_shapes(path)
    assert [s for s in shapes if s[1] == 5] == [
        (8, 5, 5, 3),
        (1, 5, 5, 8),
        (1, 5, 5, 8),
    ]
    assert report.top1_agreement > 0.95
    limit = {"float32": 1e-5, "int8": 0.2, "int8_per_tensor": 0.3}[scheme]
    assert report.max_abs_difference < limit


@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_onnx_has_one_convolution_for_each(
    scheme, blurred, calibration, tmp_path
):
    report = export.to_onnx(
        blurred,
        tmp_path / "model.onnx",
        scheme,
        calibration=calibration,
        evaluation=calibration,
    )
    # Stem, depthwise, and the two of the separable one; in int8 the scaling of
    # the images is a kernel, too.
    assert report.ops["Conv"] == (4 if scheme == "float32" else 5)
    assert report.top1_agreement > 0.95
    assert report.max_abs_difference < (1e-5 if scheme == "float32" else 0.2)


def test_trained_on_with_rounding_the_files_are_the_model(
    blurred, calibration, tmp_path
):
    images, labels = calibration
    aware = export.quantization_aware(blurred, calibration=images)
    stem = aware.get_layer("stem")
    # What learns is the kernel of the source, what is rounded the larger one.
    assert tuple(stem.kernel.shape) == (3, 3, 3, 8)
    large = keras.ops.convert_to_numpy(stem.blurred(stem.kernel))
    assert large.shape == (5, 5, 3, 8)
    assert max(len(np.unique(large[..., i])) for i in range(8)) < 76
    np.testing.assert_allclose(
        large, blurred.get_layer("stem").larger_kernel(), atol=0.01
    )
    aware.compile(
        keras.optimizers.Adam(1e-4),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    aware.fit(images, labels, epochs=1, batch_size=16, verbose=0)
    assert find_quantizers(aware)
    tflite = export.to_tflite(
        aware, tmp_path / "a.tflite", evaluation=calibration
    )
    onnx = export.to_onnx(aware, tmp_path / "a.onnx", evaluation=calibration)
    assert tflite.partitions == 1 and tflite.ops["PAD"] == 1
    for report in (tflite, onnx):
        assert report.top1_agreement == 1.0
        # One level of an activation that falls to the other side.
        assert report.max_abs_difference < 0.05
        assert report.mean_abs_difference < 0.002
    aware.save(tmp_path / "aware.keras")
    loaded = keras.saving.load_model(tmp_path / "aware.keras")
    np.testing.assert_array_equal(loaded(images[:8]), aware(images[:8]))


def test_clustered_values_are_told_without_the_folded_kernels(
    calibration, tmp_path
):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(16, 3, strides=2, padding="same", name="stem")(inputs)
    x = layers.Conv2D(16, 1, activation="relu", name="middle")(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(4, activation="softmax")(x)
    model = kerastl.antialias(keras.Model(inputs, outputs), place="kernel")
    clustered = kerastl.surgery.cluster_weights(model, 8)
    report = export.to_tflite(
        clustered, tmp_path / "c.tflite", "float32", evaluation=calibration[0]
    )
    assert "Clustered: a kernel has at most 8 values." in report.notes
