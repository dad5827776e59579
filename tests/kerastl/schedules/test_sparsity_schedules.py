import json

import keras
import numpy as np
import pytest

from kerastl.schedules import ConstantSparsity
from kerastl.schedules import PolynomialSparsity

STEPS = range(0, 60)
ARGUMENTS = [
    dict(begin_step=0, end_step=40, frequency=10),
    dict(begin_step=7, end_step=33, frequency=4),
    dict(begin_step=5, end_step=50, frequency=100),
]


@pytest.fixture(scope="module")
def oracle():
    pytest.importorskip("tensorflow_model_optimization")
    from kerastl.export.quantization.quantized_activation import load_quantizers

    load_quantizers()
    import tensorflow_model_optimization

    return tensorflow_model_optimization.sparsity.keras


def _changes(schedule):
    """The steps that change the masks, as the callback sees them."""
    changes = [schedule.last_change(step) for step in STEPS]
    return [step for step in STEPS if changes[step] == step]


def _oracle_changes(schedule):
    return [step for step in STEPS if bool(schedule(step)[0])]


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("power", [1, 3])
def test_polynomial_is_that_of_tfmot(oracle, arguments, power):
    sparsities = dict(initial_sparsity=0.2, final_sparsity=0.9, power=power)
    ours = PolynomialSparsity(**sparsities, **arguments)
    theirs = oracle.PolynomialDecay(**sparsities, **arguments)
    for step in STEPS:
        assert ours(step) == pytest.approx(float(theirs(step)[1]), abs=1e-6)
    assert _changes(ours) == _oracle_changes(theirs)


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    "arguments", [*ARGUMENTS, dict(begin_step=3, end_step=-1, frequency=8)]
)
def test_constant_is_that_of_tfmot(oracle, arguments):
    ours = ConstantSparsity(0.6, **arguments)
    theirs = oracle.ConstantSparsity(0.6, **arguments)
    assert ours(20) == pytest.approx(float(theirs(20)[1]))
    assert _changes(ours) == _oracle_changes(theirs)


def test_values_of_the_formula():
    schedule = PolynomialSparsity(0.5, 0.8, 100, 200, power=3)
    assert schedule(0) == 0.5
    assert schedule(150) == pytest.approx(0.8 - 0.3 * 0.125)
    assert schedule(1000) == 0.8


@pytest.mark.parametrize("begin", [0, 3])
@pytest.mark.parametrize("steps", [1, 5, 19, 41, 997, 1999, 5003])
def test_default_frequency_reaches_the_end(begin, steps):
    end = begin + steps
    schedule = PolynomialSparsity(0.1, 0.8, begin, end)
    changes = sorted({schedule.last_change(s) for s in range(begin, end + 9)})
    assert changes[0] == begin
    assert schedule(changes[-1]) == 0.8
    assert len(changes) >= min(steps, 20)
    assert max(np.diff(changes)) <= 100
    # A given frequency is that of tensorflow-model-optimization.
    given = PolynomialSparsity(0.1, 0.8, begin, end, frequency=100)
    assert given.last_change(end) == begin + steps // 100 * 100


def test_masks_stay_between_changes():
    schedule = ConstantSparsity(0.5, begin_step=10, end_step=40, frequency=20)
    steps = [9, 10, 29, 30, 45, 1000]
    found = [schedule.last_change(step) for step in steps]
    assert found == [None, 10, 10, 30, 30, 30]


@pytest.mark.parametrize(
    "schedule",
    [
        ConstantSparsity(0.5, 3),
        PolynomialSparsity(0.1, 0.5, 2, 30, 2, 7),
        PolynomialSparsity(0.1, 0.5, 2, 30),
    ],
)
def test_config(schedule):
    config = keras.saving.serialize_keras_object(schedule)
    restored = keras.saving.deserialize_keras_object(
        json.loads(json.dumps(config))
    )
    assert type(restored) is type(schedule)
    assert restored.get_config() == schedule.get_config()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConstantSparsity(1.0),
        lambda: ConstantSparsity(-0.1),
        lambda: ConstantSparsity(0.5, begin_step=-1),
        lambda: ConstantSparsity(0.5, frequency=0),
        lambda: ConstantSparsity(0.5, begin_step=9, end_step=8),
        lambda: PolynomialSparsity(0.0, 0.5, 10, 10),
        lambda: PolynomialSparsity(0.0, 1.0, 0, 10),
    ],
)
def test_refuses(make):
    with pytest.raises(ValueError, match="Received"):
        make()
