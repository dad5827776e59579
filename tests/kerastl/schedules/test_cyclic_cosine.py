import keras
import numpy as np
import pytest

from kerastl.schedules import CyclicCosine


def expected(step, rate, total, periods, minimum):
    period = total // periods
    number = min(step // period, periods - 1)
    length = total - number * period if number == periods - 1 else period
    place = min((step - number * period) / length, 1)
    return minimum + 0.5 * (rate - minimum) * (1 + np.cos(np.pi * place))


@pytest.mark.parametrize(
    "total, periods, minimum",
    [(40, 4, 0.0), (40, 3, 0.01), (7, 7, 0), (9, 1, 0)],
)
def test_rates(total, periods, minimum):
    schedule = CyclicCosine(0.2, total, periods, minimum=minimum)
    np.testing.assert_allclose(
        [float(schedule(step)) for step in range(total + 4)],
        [
            expected(step, 0.2, total, periods, minimum)
            for step in range(total + 4)
        ],
        atol=1e-6,
    )


def test_it_equals_keras_where_the_periods_fit():
    of_keras = keras.optimizers.schedules.CosineDecayRestarts(
        0.2, first_decay_steps=10, t_mul=1.0
    )
    schedule = CyclicCosine(0.2, 40, 4)
    np.testing.assert_allclose(
        [float(schedule(step)) for step in range(40)],
        [float(of_keras(step)) for step in range(40)],
        atol=1e-6,
    )


def test_before_its_first_step_the_rate_is_the_highest():
    """And not that of a place on a cosine of negative steps."""
    schedule = CyclicCosine(0.2, 40, 2, minimum=0.1, first_step=15)
    for step in (0, 7, 14, 15):
        assert float(schedule(step)) == pytest.approx(0.2)
    shifted = CyclicCosine(0.2, 40, 2, minimum=0.1)
    for step in (16, 25, 34, 35, 54, 60):
        assert float(schedule(step)) == pytest.approx(float(shifted(step - 15)))


def test_config():
    schedule = CyclicCosine(0.2, 40, 3, period=12, minimum=0.1)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(schedule)
    )
    assert again.get_config() == schedule.get_config()
    assert float(again(12)) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"total_steps": 3}, "periods=4, total_steps=3"),
        ({"total_steps": 40, "period": 20}, "take 60 steps together"),
        ({"total_steps": 40, "minimum": 0.3}, "minimum=0.3"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        CyclicCosine(0.2, **arguments)
