"""Single layers whose state is no weight, and what a copy must not get."""

import keras
import numpy as np
import pytest
from keras import layers

from kerastl import surgery
from kerastl.surgery.carry_state import carry_state


@pytest.mark.tensorflow_only
def test_a_vocabulary_is_carried_over():
    lookup = layers.IntegerLookup(num_oov_indices=1)
    lookup.adapt(np.array([[3, 5], [5, 9]]))
    inputs = keras.Input((2,), dtype="int64")
    x = layers.Embedding(4, 2)(lookup(inputs))
    model = keras.Model(inputs, x)
    given = np.array([[3, 9], [5, 4]])
    np.testing.assert_array_equal(
        surgery.copy_model(model)(given), model(given)
    )


def test_a_layer_that_was_quantized_after_it_was_built():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(4)(inputs))
    model.layers[1].bias.assign([1.0, 2.0, 3.0, 4.0])
    model.quantize("int8")
    given = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    copy = surgery.copy_model(model)
    assert copy.layers[1].quantization_mode == "int8"
    np.testing.assert_array_equal(copy(given), model(given))


def test_attributes_that_a_rewritten_layer_must_not_get():
    # Same class, other config: what the config says stands.
    old = layers.Conv2D(2, 3, strides=2)
    new = layers.Conv2D(2, 3, strides=1)
    for layer in (old, new):
        layer.build((None, 8, 8, 3))
    carry_state(old, new)
    assert new.strides == (1, 1)
    np.testing.assert_array_equal(new.kernel, old.kernel)


class Late(layers.Layer):
    """Makes a variable when it is first trained."""

    late = None

    def train_on(self, value):
        self._tracker.unlock()
        self.late = self.add_weight(shape=(), name="late")
        self._tracker.lock()
        self.late.assign(value)

    def call(self, inputs):
        return inputs if self.late is None else inputs * self.late


def test_variables_that_the_copy_cannot_have_are_refused():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, Late(name="lazy")(inputs))
    model.layers[1].train_on(2.0)
    with pytest.raises(
        ValueError, match=r"makes them in `build\(\)`.*layer=lazy"
    ):
        surgery.copy_model(model)
