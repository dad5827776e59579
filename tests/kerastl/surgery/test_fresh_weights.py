import keras
import numpy as np
import pytest

import kerastl


def test_a_seeded_initializer_draws_anew():
    head = keras.layers.Dense(
        3, kernel_initializer=keras.initializers.GlorotUniform(seed=7)
    )
    head.build((None, 12))
    first = head.get_weights()
    fresh = kerastl.surgery.fresh_weights(head, [7, 2])
    assert np.abs(fresh[0] - first[0]).max() > 0.1
    np.testing.assert_array_equal(fresh[1], 0)
    again = kerastl.surgery.fresh_weights(head, [7, 2])
    np.testing.assert_array_equal(fresh[0], again[0])


def test_every_layer_can_be_drawn_anew():
    x = inputs = keras.Input((8, 8, 4))
    x = keras.layers.SeparableConv2D(4, 3, use_bias=True)(x)
    x = keras.layers.DepthwiseConv2D(3, depthwise_initializer="ones")(x)
    x = keras.layers.BatchNormalization(gamma_initializer="zeros")(x)
    x = keras.layers.PReLU(shared_axes=[1, 2])(x)
    model = keras.Model(inputs, x)
    for layer in model.layers[1:]:
        layer.set_weights([w + 3 for w in layer.get_weights()])
    separable, depthwise, norm, prelu = [
        kerastl.surgery.fresh_weights(layer, 0) for layer in model.layers[1:]
    ]
    # Two initializers of one layer draw differently.
    assert np.abs(separable[0].ravel()[:16] - separable[1].ravel()).max() > 0.1
    np.testing.assert_array_equal(depthwise[0], 1)
    assert [float(w.mean()) for w in norm] == [0, 0, 0, 1]
    np.testing.assert_array_equal(prelu[0], 0)


def test_layers_inside_a_layer():
    inner = keras.layers.Dense(
        3, kernel_initializer=keras.initializers.RandomNormal(seed=1)
    )
    layer = keras.layers.TimeDistributed(inner)
    layer.build((None, 4, 5))
    before = layer.get_weights()
    one, other, again = [
        kerastl.surgery.fresh_weights(layer, seed) for seed in (0, 1, 0)
    ]
    np.testing.assert_array_equal(one[0], again[0])
    assert np.abs(one[0] - other[0]).max() > 0.01
    assert np.abs(one[0] - before[0]).max() > 0.01
    np.testing.assert_array_equal(before[0], layer.get_weights()[0])


def test_a_layer_without_weights_yet():
    with pytest.raises(ValueError, match="layer='new'"):
        kerastl.surgery.fresh_weights(keras.layers.Dense(3, name="new"), 0)
