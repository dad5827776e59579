import keras
import numpy as np
import pytest
from keras import ops

from kerastl.layers import BinaryGates
from kerastl.layers import MixByGates
from kerastl.layers import RecurrentGate


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


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 5)])
@pytest.mark.parametrize("channels", [5, 1])
def test_chooses_by_image_and_channel(shape, channels):
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, *shape)).astype("float32")
    gates = generator.integers(0, 2, (2, channels)).astype("float32")
    mixed = MixByGates()([first, second, gates])
    for image in range(2):
        for channel in range(5):
            is_open = gates[image, min(channel, channels - 1)]
            np.testing.assert_array_equal(
                mixed[image, ..., channel],
                (first if is_open else second)[image, ..., channel],
            )


def test_half_precision_features_stay_half():
    layer = MixByGates(dtype="mixed_float16")
    x = np.ones((2, 3), "float32")
    mixed = layer([x, x, np.ones((2, 1), "float32")])
    assert keras.backend.standardize_dtype(mixed.dtype) == "float16"


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_two_steps_of_an_lstm_from_zeros():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(2, 5, 4)).astype("float32")
    gate = RecurrentGate(4, seed=1)
    state = gate(inputs[0])
    state = ops.convert_to_numpy(gate(inputs[1], state))
    kernel, recurrent, bias = (
        ops.convert_to_numpy(value) for value in gate.weights
    )
    hidden = cell = np.zeros((5, 4))
    for each in inputs:
        mixed = each @ kernel + hidden @ recurrent + bias
        enter, forget, new, leave = np.split(mixed, 4, axis=-1)
        cell = _sigmoid(forget) * cell + _sigmoid(enter) * np.tanh(new)
        hidden = _sigmoid(leave) * np.tanh(cell)
    np.testing.assert_allclose(state[:, :4], hidden, atol=1e-5)
    np.testing.assert_allclose(state[:, 4:], cell, atol=1e-5)
    # One set of weights for all steps.
    assert len(gate.weights) == 3


def test_seed_and_config():
    first, second = RecurrentGate(4, seed=1), RecurrentGate(4, seed=1)
    x = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(first(x), second(x))
    config = first.get_config()
    assert RecurrentGate.from_config(config).get_config() == config
