"""Blur kernels, read back from the files."""

import keras
import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from onnx import numpy_helper

import kerastl
from kerastl import export
from kerastl.export.quantization.exact_blurs import exact_blur
from kerastl.export.quantization.exact_blurs import match_blur

SIZE = 16
IMAGES = np.random.default_rng(0).uniform(0, 255, (60, SIZE, SIZE, 3))
IMAGES = IMAGES.astype("float32")
BINOMIALS = {3: [1, 2, 1], 4: [1, 3, 3, 1], 5: [1, 4, 6, 4, 1]}
# The largest level stands for this value, from which the gain is 1.
RANGES = {3: 127 / 496, 4: 127 / 896, 5: 127 / 768}


def test_levels_are_multiples_with_the_largest_range():
    for taps, row in BINOMIALS.items():
        levels, scale = exact_blur((taps, taps))
        assert 127 * scale == pytest.approx(RANGES[taps], rel=1e-12)
        np.testing.assert_allclose(
            levels * scale, np.outer(row, row) / sum(row) ** 2, rtol=1e-12
        )
    levels, scale = exact_blur((1, 3))
    np.testing.assert_array_equal(levels, [[63, 126, 63]])
    assert exact_blur((7, 7)) is None


@pytest.mark.parametrize("taps", BINOMIALS)
def test_rounded_kernels_are_recognised(taps):
    kernel = np.outer(BINOMIALS[taps], BINOMIALS[taps])[:, :, None]
    rounded = np.rint(kernel * 127 / kernel.max() * [1, -1]).astype("int8")
    exact, factors = match_blur(rounded)
    gain = (exact * factors * (kernel.max() / 127)).sum((0, 1)) / kernel.sum()
    np.testing.assert_allclose(gain, [1, -1], rtol=1e-6)
    rounded[0, 0, 1] += 2
    assert match_blur(rounded) is None


def model_with_blurs():
    """One blur alone, one that a normalization is folded into, one 5-tap."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(4, 3, activation="relu")(inputs)
    x = kerastl.layers.BlurPooling2D(3, name="three")(x)
    x = layers.Conv2D(4, 1, activation="relu")(x)
    x = kerastl.layers.BlurPooling2D(4, strides=1, name="four")(x)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.Conv2D(4, 1, activation="relu")(x)
    x = kerastl.layers.BlurPooling2D(5, strides=1, name="five")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    model.get_layer("bn").gamma.assign([2.0, -1.0, 0.5, 3.0])
    model.get_layer("bn").beta.assign([0.3, -0.1, 0.2, 0.0])
    return model


def tflite_kernels(path):
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    tensors = {each["index"]: each for each in interpreter.get_tensor_details()}
    for each in interpreter._get_ops_details():
        if each["op_name"] == "DEPTHWISE_CONV_2D":
            details = tensors[each["inputs"][1]]
            levels = interpreter.get_tensor(each["inputs"][1])[0]
            scales = details["quantization_parameters"]["scales"]
            yield levels, scales.astype("float64")


def onnx_kernels(path):
    graph = onnx.load(path).graph
    values = {
        each.name: numpy_helper.to_array(each) for each in graph.initializer
    }
    producers = {node.output[0]: node for node in graph.node}
    for node in graph.node:
        if node.op_type == "Conv":
            levels, scales = (
                values[name] for name in producers[node.input[1]].input[:2]
            )
            if levels.shape[1] == 1 and levels.shape[2] > 1:
                levels = levels[:, 0].transpose(1, 2, 0)
                yield levels, scales.astype("float64")


def check(kernels, folded):
    """`folded`: factor of the normalization in the 4-tap kernel."""
    found = {levels.shape[0]: (levels, scales) for levels, scales in kernels}
    assert sorted(found) == [3, 4, 5]
    for taps, (levels, scales) in found.items():
        gain = (levels.astype("int64") * scales).sum((0, 1))
        expected = folded if taps == 4 else 1
        np.testing.assert_allclose(gain, expected, rtol=3e-7)
        kernel = np.outer(BINOMIALS[taps], BINOMIALS[taps])
        quotient = np.abs(levels.astype("int64")) / kernel[:, :, None]
        assert len(np.unique(quotient)) == 1  # one exact multiple


@pytest.mark.tensorflow_only
def test_the_gain_is_one_in_every_int8_file(tmp_path):
    model = model_with_blurs()
    bn = model.get_layer("bn")
    factor = keras.ops.convert_to_numpy(bn.gamma) / np.sqrt(1 + bn.epsilon)
    plain = tmp_path / "plain.tflite"
    report = export.to_tflite(model, plain, calibration=IMAGES)
    assert report.max_abs_difference < 0.02
    check(tflite_kernels(plain), factor)
    plain = tmp_path / "plain.onnx"
    report = export.to_onnx(model, plain, calibration=IMAGES)
    assert report.max_abs_difference < 0.02
    check(onnx_kernels(plain), factor)
    aware = export.quantization_aware(model, calibration=IMAGES)
    path = tmp_path / "aware.tflite"
    report = export.to_tflite(aware, path, evaluation=IMAGES)
    # The normalization stays behind its blur here, as in the simulation.
    kernels = [k for k in tflite_kernels(path) if k[0].shape[0] > 1]
    check(kernels, 1)
    assert report.max_abs_difference < 0.01
    path = tmp_path / "aware.onnx"
    export.to_onnx(aware, path, evaluation=IMAGES)
    check(onnx_kernels(path), 1)


def test_only_blurs_of_two_to_six_taps_are_recognised():
    [row] = match_blur(np.int8([[[64], [127], [64]]]))[:1]
    np.testing.assert_array_equal(row, [[[63], [126], [63]]])
    column, factors = match_blur(np.int8([[[-127]], [[-127]]]))
    np.testing.assert_array_equal(column, [[[-127]], [[-127]]])
    np.testing.assert_allclose(factors, [1])
    # A row of seven, a single tap, a channel that is dead, and no blur.
    seven = np.rint(np.array([1, 6, 15, 20, 15, 6, 1]) * 6.35)
    assert match_blur(seven.astype("int8")[None, :, None]) is None
    assert match_blur(np.full((1, 1, 2), 127, "int8")) is None
    assert match_blur(np.int8([[[64, 0], [127, 0], [64, 0]]])) is None
    assert match_blur(np.int8([[[127], [0], [127]]])) is None
