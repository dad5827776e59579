import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from kerastl.export.quantization import node_kinds
from kerastl.export.quantization.node_kinds import affine_coefficients
from kerastl.export.quantization.node_kinds import node_kind
from kerastl.layers import BlurPooling2D
from kerastl.surgery.graph import walk

pytestmark = pytest.mark.tensorflow_only


def last_node(call, shape=(6, 8, 4)):
    """The last call of a graph that does `call` with its input."""
    inputs = keras.Input(shape)
    return [*walk(keras.Model(inputs, call(inputs)))][-1][1]


@pytest.mark.parametrize(
    "call, kind",
    [
        (layers.Conv2D(2, 1), "kernel"),
        (layers.Conv2D(2, 1, activation="silu"), "kernel"),
        (layers.Conv2D(2, 1, activation="softsign"), "float"),
        (layers.Rescaling(2.0), "affine"),
        (layers.BatchNormalization(), "affine"),
        (layers.BatchNormalization(axis=1), "float"),
        (layers.ReLU(), "activation"),
        (layers.ReLU(6.0), "activation"),
        (layers.ReLU(5.0), "float"),
        (layers.ReLU(threshold=1.0), "float"),
        (layers.LeakyReLU(), "activation"),
        (layers.PReLU(), "float"),
        (layers.Softmax(), "activation"),
        (layers.Softmax(axis=1), "float"),
        (layers.Activation("linear"), "passing"),
        (layers.MaxPooling2D(), "passing"),
        (layers.Permute((2, 1, 3)), "passing"),
        (layers.Flatten(data_format="channels_first"), "float"),
        (layers.CenterCrop(4, 4), "passing"),
        (layers.CenterCrop(7, 4), "float"),
        (layers.AveragePooling2D(2), "pooling"),
        (BlurPooling2D(3, 2), "blur"),
        (lambda x: layers.Concatenate()([x, x]), "concatenation"),
        (lambda x: layers.Add()([x, x]), "merge"),
        (lambda x: layers.Add()([x]), "float"),
        (lambda x: layers.Maximum()([x, x]), "float"),
        (lambda x: x - x, "merge"),
        (lambda x: x - 2.0, "affine"),
        (lambda x: 2.0 / x, "float"),
        (lambda x: ops.cast(x, "float16"), "passing"),
        (lambda x: ops.cast(x, "int32"), "float"),
        (ops.tanh, "activation"),
        (ops.exp, "float"),
    ],
)
def test_what_a_call_is(call, kind):
    assert node_kind(last_node(call)) == kind


@pytest.mark.parametrize(
    "call, factors, offsets",
    [
        (layers.Rescaling(0.5, -1.0), [0.5], [-1.0]),
        (lambda x: x + 3.0, [1], [3]),
        (lambda x: x - 3.0, [1], [-3]),
        (lambda x: 3.0 - x, [-1], [3]),
        (lambda x: x * np.array([1.0, 2.0, 3.0, 4.0]), [1, 2, 3, 4], [0]),
        (lambda x: x / 4.0, [0.25], [0]),
    ],
)
def test_factors_and_offsets(call, factors, offsets):
    found = affine_coefficients(last_node(call))
    np.testing.assert_allclose(found[0], factors)
    np.testing.assert_allclose(found[1], offsets)


def test_a_constant_for_every_pixel_is_no_offset():
    constant = np.ones((6, 8, 1), "float32")
    assert affine_coefficients(last_node(lambda x: x + constant)) is None


@pytest.mark.parametrize(
    "call, expected",
    [
        (layers.GlobalAveragePooling2D(), True),
        (lambda x: ops.mean(x, (1, 2)), True),
        (layers.AveragePooling2D(2), False),
    ],
)
def test_means_have_a_scale_of_their_own(call, expected):
    assert node_kinds.rescales(last_node(call)) == expected


@pytest.mark.parametrize(
    "call, name",
    [
        (layers.ReLU(), "relu"),
        (layers.ReLU(6), "relu6"),
        (layers.ReLU(6, negative_slope=0.1), None),
        (layers.ReLU(threshold=0.5), None),
        (layers.ReLU(7), None),
        (layers.Softmax(-1), "softmax"),
        (layers.Softmax(3), None),
        (layers.Activation("relu"), "relu"),
        (layers.Activation("relu6"), "relu6"),
        (layers.Activation("sigmoid"), "sigmoid"),
        (layers.Activation("hard_sigmoid"), "hard_sigmoid"),
        (layers.Activation("tanh"), "tanh"),
        (layers.Activation("silu"), "silu"),
        (layers.Activation("hard_silu"), "hard_silu"),
        (layers.Activation("softmax"), "softmax"),
        (layers.Activation("linear"), "linear"),
        (layers.Activation("gelu"), None),
        (layers.Conv2D(2, 1), "linear"),
        (layers.Conv2D(2, 1, activation="relu"), "relu"),
        (layers.Dense(2, activation="elu"), None),
        (layers.LeakyReLU(0.1), None),
        (layers.MaxPooling2D(2), None),
        (ops.relu, "relu"),
        (ops.relu6, "relu6"),
        (ops.sigmoid, "sigmoid"),
        (ops.hard_sigmoid, "hard_sigmoid"),
        (ops.silu, "silu"),
        (ops.hard_silu, "hard_silu"),
        (ops.softmax, "softmax"),
        (ops.elu, None),
    ],
)
def test_the_function_that_a_call_ends_with(call, name):
    assert node_kinds.activation_name(last_node(call)) == name


class Own(layers.Conv2D):
    """May compute anything."""


@pytest.mark.parametrize(
    "layer, quantized",
    [
        (layers.Conv2D(2, 1), "QuantizedConv2D"),
        (layers.Dense(2), "QuantizedDense"),
        (layers.DepthwiseConv2D(3), "QuantizedDepthwiseConv2D"),
        (layers.SeparableConv2D(2, 3), "QuantizedSeparableConv2D"),
        (layers.Conv2D(2, 1, activation="elu"), None),
        (layers.Conv2D(2, 1, data_format="channels_first"), None),
        (layers.Conv1D(2, 1), None),
        (layers.ReLU(), None),
        (Own(2, 1), None),
    ],
)
def test_what_simulates_a_kernel(layer, quantized):
    found = node_kinds.quantized_class(layer)
    assert (found and found.__name__) == quantized


def trained(**options):
    norm = layers.BatchNormalization(epsilon=0.25, **options)
    norm.build((None, 6, 8, 4))
    values = {
        "gamma": [1.0, -2.0, 3.0, 0.5],
        "beta": [0.1, 0.2, 0.3, 0.4],
        "moving_mean": [5.0, 6.0, 7.0, 8.0],
        "moving_variance": [0.75, 2.0, 0.0, 3.75],
    }
    for weight in norm.weights:
        weight.assign(values[weight.name])
    return norm


RAMP = np.float32([1, 2, 3, 4])
SPREAD = np.sqrt([1.0, 2.25, 0.25, 4.0])
MEAN = np.array([5.0, 6.0, 7.0, 8.0])
GAMMA, BETA = np.array([1, -2, 3, 0.5]), np.array([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    "call, factors, offsets",
    [
        (trained(), GAMMA / SPREAD, BETA - MEAN * GAMMA / SPREAD),
        (trained(axis=3), GAMMA / SPREAD, BETA - MEAN * GAMMA / SPREAD),
        (trained(scale=False), 1 / SPREAD, BETA - MEAN / SPREAD),
        (trained(center=False), GAMMA / SPREAD, -MEAN * GAMMA / SPREAD),
        (
            layers.Normalization(mean=MEAN, variance=[4.0, 1.0, 0.25, 0.0]),
            [0.5, 1, 2, 1e7],
            [-2.5, -6, -14, -8e7],
        ),
        (layers.Rescaling([1.0, 2.0, 3.0, 4.0], 0.5), [1, 2, 3, 4], [0.5]),
        (lambda x: ops.subtract(RAMP, x), [-1], [1, 2, 3, 4]),
        (lambda x: 4.0 * x, [4], [0]),
        (lambda x: ops.add(x, np.ones((1, 1, 1, 4))), [1], [1, 1, 1, 1]),
        (lambda x: ops.subtract(x, 2), [1], [-2]),
        (lambda x: ops.divide(x, RAMP), [1, 1 / 2, 1 / 3, 1 / 4], [0]),
    ],
)
def test_factors_and_offsets_of_each_channel(call, factors, offsets):
    found = affine_coefficients(last_node(call))
    np.testing.assert_allclose(found[0], factors, rtol=1e-5)
    np.testing.assert_allclose(found[1], offsets, rtol=1e-5)
    assert {each.dtype for each in found} == {np.dtype("float64")}


@pytest.mark.parametrize(
    "call",
    [
        lambda x: 2.0 / x,
        lambda x: x + x,
        lambda x: x**2.0,
        lambda x: x + np.ones((8, 4)),
        lambda x: x + np.ones((1, 1, 1, 1, 4)),
        lambda x: ops.maximum(x, 1.0),
        layers.Normalization(mean=0.5, variance=2.0, invert=True),
        layers.BatchNormalization(axis=2),
        layers.ReLU(),
    ],
)
def test_what_is_no_factor_and_offset(call):
    assert affine_coefficients(last_node(call)) is None


@pytest.mark.parametrize(
    "call, kind",
    [
        (layers.CenterCrop(6, 8), "passing"),
        (layers.CenterCrop(6, 9), "float"),
        (layers.AlphaDropout(0.1), "passing"),
        (layers.Cropping2D(1), "passing"),
        (layers.GaussianNoise(0.1), "passing"),
        (layers.GlobalMaxPooling2D(), "passing"),
        (layers.ZeroPadding2D(1), "passing"),
        (layers.SpatialDropout2D(0.1), "passing"),
        (layers.UpSampling2D(2), "pooling"),
        (layers.Resizing(3, 3), "pooling"),
        (layers.GlobalAveragePooling2D(), "pooling"),
        (
            layers.GlobalAveragePooling2D(data_format="channels_first"),
            "float",
        ),
        (lambda x: layers.Multiply()([x, x]), "merge"),
        (lambda x: layers.Subtract()([x, x]), "merge"),
        (lambda x: layers.Average()([x, x]), "float"),
        (lambda x: ops.concatenate([x, x], -1), "concatenation"),
        (lambda x: ops.mean(x, 1), "pooling"),
        (lambda x: ops.average_pool(x, 2), "pooling"),
        (lambda x: ops.max_pool(x, 2), "passing"),
        (lambda x: ops.max(x, 1), "passing"),
        (lambda x: x[:, 1:], "passing"),
        (lambda x: ops.expand_dims(x, 1), "passing"),
        (lambda x: ops.transpose(x, (0, 2, 1, 3)), "passing"),
        (lambda x: ops.reshape(x, (-1, 4)), "passing"),
        (lambda x: ops.sum(x, 1), "float"),
        (lambda x: keras.Model(x, layers.ReLU()(x))(x), "activation"),
        (Own(2, 1), "float"),
    ],
)
def test_more_of_what_a_call_is(call, kind):
    assert node_kind(last_node(call)) == kind
