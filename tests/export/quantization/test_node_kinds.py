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
