import numpy as np
from keras import ops

from kerastl.layers import RecurrentGate


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
