"""Blurs in .tflite files as the converter alone writes them."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from kerastl.export.quantization.exact_blurs import _cannot_scale
from kerastl.export.quantization.exact_blurs import exact_tflite_blurs

pytestmark = pytest.mark.tensorflow_only

BLUR = np.outer([1, 2, 1], [1, 2, 1]) / 16
# So many channels that weights alone are worth being integers.
CHANNELS = 128
FACTORS = np.resize([1.0, -3.0, 0.2, 2.0], CHANNELS)


@pytest.fixture(scope="module")
def converted():
    """`convert(integers)`: a file of two depthwise kernels, one a blur."""
    import tensorflow as tf

    blur = layers.DepthwiseConv2D(3, use_bias=True, name="blur")
    other = layers.DepthwiseConv2D(3, use_bias=False, name="other")
    inputs = keras.Input((9, 9, CHANNELS))
    x = layers.ReLU()(other(blur(inputs)))
    model = keras.Model(inputs, layers.Flatten()(x))
    kernel = BLUR[:, :, None, None] * FACTORS[:, None]
    blur.set_weights([kernel, np.resize([5.0, -7.0, 0.0, 1.0], CHANNELS)])
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 9, (8, 1, 9, 9, CHANNELS)).astype("float32")

    def convert(integers):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if integers:
            converter.representative_dataset = lambda: ([x] for x in images)
        return converter.convert()

    return convert


def tensors_of_blurs(path):
    interpreter = Interpreter(str(path))
    details = {each["index"]: each for each in interpreter.get_tensor_details()}
    for each in interpreter._get_ops_details():
        if each["op_name"] == "DEPTHWISE_CONV_2D":
            yield [
                (
                    interpreter.get_tensor(index),
                    details[index]["quantization_parameters"]["scales"],
                )
                for index in each["inputs"][1:3]
            ]


def test_the_gain_is_exact_and_the_bias_stays(converted, tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(converted(True))
    size = path.stat().st_size
    (kernel, bias), other = tensors_of_blurs(path)
    before = bias[0] * bias[1].astype("float64")
    gain = (kernel[0][0].astype("int64") * kernel[1]).sum((0, 1))
    assert np.abs(gain / FACTORS - 1).min() > 1e-3
    exact_tflite_blurs(path)
    assert path.stat().st_size == size
    (kernel, bias), other_after = tensors_of_blurs(path)
    gain = (kernel[0][0].astype("int64") * kernel[1]).sum((0, 1))
    np.testing.assert_allclose(gain, FACTORS, rtol=1e-6)
    levels = 31 * np.int64([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    for channel, sign in enumerate(np.sign(FACTORS)):
        np.testing.assert_array_equal(
            kernel[0][0, :, :, channel], sign * levels
        )
    np.testing.assert_allclose(bias[0] * bias[1], before, atol=bias[1].max())
    # A runtime takes the scale of a bias for that of the products.
    input_scales = bias[1].astype("float64") / kernel[1]
    np.testing.assert_allclose(input_scales, input_scales[0], rtol=1e-6)
    np.testing.assert_array_equal(other[0][0], other_after[0][0])
    # Once more changes nothing.
    content = path.read_bytes()
    exact_tflite_blurs(path)
    assert path.read_bytes() == content


def test_weights_alone_in_integers_keep_a_float_bias(converted, tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(converted(False))
    [(kernel, bias), *_] = tensors_of_blurs(path)
    assert kernel[0].dtype == np.int8 and bias[0].dtype == np.float32
    exact_tflite_blurs(path)
    [(changed, after), *_] = tensors_of_blurs(path)
    gain = (changed[0][0].astype("int64") * changed[1]).sum((0, 1))
    np.testing.assert_allclose(gain, FACTORS, rtol=1e-6)
    np.testing.assert_array_equal(bias[0], after[0])


def test_a_file_of_exact_blurs_is_not_written_again(converted, tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(converted(True))
    exact_tflite_blurs(path)
    path.chmod(0o400)
    time = path.stat().st_mtime_ns
    exact_tflite_blurs(path)
    assert path.stat().st_mtime_ns == time


@pytest.mark.parametrize(
    "scales, factors, cannot",
    [
        (1, [1.1, 1.2], True),
        (1, [1.1, 1.1], False),
        (2, [1.1, 1.2], False),
    ],
)
def test_one_scale_takes_one_factor(scales, factors, cannot):
    class Kernel:
        def Quantization(self):
            return self

        def ScaleLength(self):
            return scales

    assert _cannot_scale(Kernel(), np.array(factors)) == cannot
