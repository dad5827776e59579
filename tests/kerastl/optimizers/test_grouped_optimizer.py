"""Which optimizer trains which weights."""

import keras
import numpy as np
import pytest

from kerastl.optimizers.grouped_optimizer import optimizer_parts

SGD = keras.optimizers.SGD


@pytest.fixture
def variables():
    return [keras.Variable(np.zeros(2), name=name) for name in ("a", "b", "c")]


def ids(parts):
    return [(part, [id(v) for v in held]) for part, held in parts]


def test_a_single_one_trains_all(variables):
    optimizer = SGD(0.1)
    parts = optimizer_parts(optimizer, variables)
    assert ids(parts) == [(optimizer, [id(v) for v in variables])]
    assert optimizer.built
    scaled = keras.optimizers.LossScaleOptimizer(SGD(0.1))
    [(part, held)] = optimizer_parts(scaled, variables)
    assert part is scaled.inner_optimizer and len(held) == 3


def test_several_train_their_own(variables):
    rest, special = SGD(0.1), SGD(0.2)
    several = keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(rest, {"b": special, "nothing": SGD(0.3)})
    )
    parts = dict(ids(optimizer_parts(several, variables)))
    assert parts[special] == [id(variables[1])]
    assert parts[rest] == [id(variables[0]), id(variables[2])]
