import keras
import numpy as np
import pytest
from keras import layers

from kerastl.surgery import open_nested
from kerastl.surgery.graph import is_graph


def test_same_outputs_without_nested_models(
    small_cnn, randomise, make_images, predict
):
    model = randomise(small_cnn())
    images = make_images()
    flat = open_nested(model)
    assert flat.name == model.name
    assert open_nested(model, name="flat").name == "flat"
    assert not any(is_graph(layer) for layer in flat.layers)
    assert {"stem", "dw", "head"} <= {layer.name for layer in flat.layers}
    np.testing.assert_allclose(
        predict(flat, images), predict(model, images), atol=1e-6
    )
    kernel = flat.get_layer("stem").kernel
    kernel.assign(0 * kernel)
    assert np.abs(model.get_layer("backbone").get_layer("stem").kernel).max()


@pytest.mark.parametrize("training", [True, False, None])
def test_modes_are_those_of_the_nested_call(make_images, training):
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(name="norm")(inputs)
    inner = keras.Model(inputs, x, name="inner")
    inputs = keras.Input((8, 8, 3))
    fixed = keras.Model(inputs, inner(inputs, training=False))
    images = make_images(size=8)
    np.testing.assert_allclose(
        open_nested(fixed)(images, training=training),
        fixed(images, training=training),
        rtol=1e-5,
    )


def test_equal_names_are_told_apart(predict):
    def block(name):
        inputs = keras.Input((4,))
        return keras.Model(
            inputs, layers.Dense(4, name="dense")(inputs), name=name
        )

    inputs = keras.Input((4,))
    model = keras.Model(inputs, block("b")(block("a")(inputs)))
    flat = open_nested(model)
    assert [layer.name for layer in flat.layers[1:]] == ["dense", "b_dense"]
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(predict(flat, x), predict(model, x), atol=1e-6)


def test_a_model_called_twice_stays_shared():
    inputs = keras.Input((4,))
    inner = keras.Model(inputs, layers.Dense(4, name="dense")(inputs))
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inner(inner(inputs)))
    assert len(open_nested(model).weights) == 2


def test_a_subclassed_model_is_refused():
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="Only functional and sequential"):
        open_nested(Mine())
