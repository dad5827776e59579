import keras
import numpy as np
import pytest

from kerastl.schedules import SlowStartFastDecay


@pytest.mark.parametrize("decay", ["cosine", "exponential"])
def test_rates(decay):
    schedule = SlowStartFastDecay(
        0.2, 50, rise=0.6, decay=decay, start=0.02, end=0.001
    )
    rates = np.array([float(schedule(step)) for step in range(55)])
    np.testing.assert_allclose(
        rates[:30], 0.02 + 0.18 * np.arange(30) / 30, atol=1e-6
    )
    place = np.minimum((np.arange(30, 55) - 30) / 20, 1)
    falling = (
        0.001 + 0.199 * (1 + np.cos(np.pi * place)) / 2
        if decay == "cosine"
        else 0.2 * (0.001 / 0.2) ** place
    )
    np.testing.assert_allclose(rates[30:], falling, atol=1e-6)
    assert rates.argmax() == 30


def test_config():
    schedule = SlowStartFastDecay(0.2, 50)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(schedule)
    )
    assert again.get_config() == schedule.get_config()
    assert float(again(0)) == pytest.approx(0.04)
    assert float(again(50)) == pytest.approx(0.2 / 64)


def test_default_rates():
    """Those of ten epochs, each at its start."""
    schedule = SlowStartFastDecay(5.0, 10)
    np.testing.assert_allclose(
        [float(schedule(epoch)) for epoch in range(10)],
        [1, 2, 3, 4, 5, 2.5, 1.25, 0.625, 0.3125, 0.15625],
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"rise": 1.0}, "rise=1.0"),
        ({"decay": "linear"}, "decay='linear'"),
        ({"end": 0.3}, "end=0.3"),
        ({"end": 0.0}, "never reaches 0"),
        ({"start": 0.3}, "start=0.3"),
        ({"rise": 0.0}, "rise=0.0"),
        ({"start": -0.1}, "start=-0.1"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        SlowStartFastDecay(0.2, 50, **arguments)
