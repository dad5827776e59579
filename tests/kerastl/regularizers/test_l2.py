import keras
import numpy as np
import pytest
from keras import layers

import kerastl


def test_half_the_squares_with_a_strength_for_the_head(make_network):
    model = make_network()
    kerastl.regularizers.L2(0.4, 3.0).attach(model)
    squares = {
        v.path: np.sum(v.numpy() ** 2)
        for v in model.trainable_variables
        if v.name == "kernel"
    }
    head = squares.pop("predictions/kernel")
    assert float(sum(model.losses)) == pytest.approx(
        0.2 * sum(squares.values()) + 1.5 * head, rel=1e-5
    )


def test_nested_head_is_found(make_network):
    source = make_network()
    backbone = keras.Model(source.input, source.get_layer("pool").output)
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), backbone, layers.Dense(2, name="last")]
    )
    kerastl.regularizers.L2(0.0, 2.0).attach(model)
    expected = np.sum(model.get_layer("last").kernel.numpy() ** 2)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_attaching_replaces_what_was_attached(make_network):
    model = make_network()
    kerastl.regularizers.L2SP(0.1, batch_norm=True).attach(model)
    kerastl.regularizers.L2(1.0, 1.0).attach(model)
    expected = 0.5 * sum(
        np.sum(v.numpy() ** 2)
        for v in model.trainable_variables
        if v.name == "kernel"
    )
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
