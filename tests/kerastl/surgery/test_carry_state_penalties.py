"""Penalties with values of their own, such as where a weight started."""

import keras
import numpy as np
import pytest

import kerastl
from kerastl import surgery


@keras.saving.register_keras_serializable(package="test")
class Wrapped(keras.layers.Layer):
    """Holds a layer whose penalty is not in its own config."""

    def build(self, input_shape):
        self.inner = keras.layers.Dense(3, name="inner")
        self.inner.build(input_shape)

    def call(self, inputs):
        return self.inner(inputs)


@pytest.mark.parametrize(
    "layer", [keras.layers.Dense(3, name="held"), Wrapped(name="around")]
)
def test_a_copy_is_held_where_the_original_started(layer):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2)(layer(inputs)))
    kernel = model.trainable_variables[0]
    kerastl.regularizers.L2SP(0.5, 0.0).attach(model)
    kernel.assign_add(np.full((4, 3), 2.0))
    copy = surgery.copy_model(model)
    # 12 weights, each 2 from its start.
    for network in (model, copy):
        assert float(sum(network.losses)) == pytest.approx(0.25 * 12 * 4)
    copy.trainable_variables[0].assign_add(np.full((4, 3), 1.0))
    assert float(sum(copy.losses)) == pytest.approx(0.25 * 12 * 9)
    assert float(sum(model.losses)) == pytest.approx(0.25 * 12 * 4)
