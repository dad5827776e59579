import keras
import numpy as np
import pytest

from kerastl.schedules import ScaledSchedule


@pytest.mark.parametrize("inner", [0.2, "cosine"])
def test_values_and_config(inner):
    expected = [0, 0, 0.2 * 0.5, 0.2 * 0.5]
    if inner == "cosine":
        inner = keras.optimizers.schedules.CosineDecay(0.2, 10)
        expected = [0, 0, *(0.5 * float(inner(step)) for step in (2, 3))]
    schedule = ScaledSchedule(inner, 0.5, start=2)
    clone = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(schedule)
    )
    for each in (schedule, clone):
        rates = [float(each(step)) for step in range(4)]
        np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_negative_arguments():
    with pytest.raises(ValueError, match="factor=-1"):
        ScaledSchedule(0.1, -1)
    with pytest.raises(ValueError, match="start=-5"):
        ScaledSchedule(0.1, start=-5)
