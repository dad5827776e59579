import keras
import pytest

from kerastl.losses.warm_up import WarmUp


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (4, [0.25, 0.5, 0.75, 1.0, 1.0]),
        (1, [1.0, 1.0]),
        (0, [1.0, 1.0]),
    ],
)
def test_factors(steps, expected):
    warm_up = WarmUp(steps)
    assert [float(warm_up.factor()) for _ in expected] == expected
    assert float(warm_up.seen) == len(expected)


def test_it_is_a_layer_whose_count_is_saved_and_does_not_train():
    warm_up = WarmUp(3)
    assert isinstance(warm_up, keras.layers.Layer) and warm_up.built
    assert not warm_up.trainable_variables
    assert len(warm_up.non_trainable_variables) == 1
