import keras
import numpy as np
import pytest
from keras import ops

from kerastl.layers import BinaryGates


def _trained(layer, logits, factors):
    """The logits after one SGD step of rate 1 on `sum(factors * gates)`."""
    inputs = keras.Input((1,))
    kernel = keras.layers.Dense(logits.size, use_bias=False)
    outputs = layer(kernel(inputs))
    model = keras.Model(inputs, outputs)
    kernel.kernel.assign(logits[None])
    model.compile(
        keras.optimizers.SGD(1.0), lambda y, p: ops.sum(factors * p, axis=-1)
    )
    model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
    return ops.convert_to_numpy(kernel.kernel)[0]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_exactly_open_or_shut(dtype):
    logits = np.array([[-3.0, -1e-3, 0.0, 1e-3, 0.3, 40.0]], dtype)
    for mode in ("straight_through", "gumbel"):
        gates = ops.convert_to_numpy(BinaryGates(mode)(logits))
        np.testing.assert_array_equal(gates, [[0, 0, 1, 1, 1, 1]])


def test_straight_through_gradient_is_that_of_the_sigmoid():
    logits = np.array([-2.0, -0.1, 0.4, 3.0], "float32")
    factors = np.array([1.0, -2.0, 3.0, 0.5], "float32")
    sigmoid = 1 / (1 + np.exp(-logits))
    expected = logits - factors * sigmoid * (1 - sigmoid)
    np.testing.assert_allclose(
        _trained(BinaryGates(), logits, factors), expected, rtol=1e-5
    )


def test_gumbel_opens_as_often_as_the_sigmoid_says():
    logits = np.repeat([[-1.0, 0.0, 2.0]], 20000, 0)
    layer = BinaryGates("gumbel", seed=0)
    gates = ops.convert_to_numpy(layer(logits, training=True))
    assert set(np.unique(gates)) == {0.0, 1.0}
    np.testing.assert_allclose(
        gates.mean(0), 1 / (1 + np.exp([1.0, 0.0, -2.0])), atol=0.02
    )
    again = BinaryGates("gumbel", seed=0)(logits, training=True)
    np.testing.assert_array_equal(ops.convert_to_numpy(again), gates)


def test_gumbel_gradient_is_softened_by_the_temperature():
    """At a high temperature the noise does not matter: sigmoid'(0) / t."""
    logits = np.array([-2.0, 0.5], "float32")
    factors = np.array([1.0, -2.0], "float32")
    moved = _trained(BinaryGates("gumbel", 1000.0), logits, factors)
    np.testing.assert_allclose(logits - moved, factors * 0.25 / 1000, rtol=1e-2)


def test_errors_and_config():
    with pytest.raises(ValueError, match="Received: mode='hard'"):
        BinaryGates("hard")
    with pytest.raises(ValueError, match="Received: temperature=0"):
        BinaryGates(temperature=0)
    layer = BinaryGates("gumbel", 2.0, seed=3, name="gates")
    assert BinaryGates.from_config(layer.get_config()).get_config() == (
        layer.get_config()
    )
