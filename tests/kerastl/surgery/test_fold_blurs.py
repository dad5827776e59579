"""Plain convolutions of those that carry a blur."""

import keras
import numpy as np
from keras import layers

import kerastl
from kerastl.layers import BlurredConv2D
from kerastl.surgery import fold_blurs


def assert_same(predict, one, other, x, atol):
    np.testing.assert_allclose(predict(one, x), predict(other, x), atol=atol)


def test_a_folded_layer_on_maps_of_several_sizes(make_images, predict):
    """An even blur needs another border on an odd map than on an even one."""
    layer = BlurredConv2D(4, 3, 2, padding="same", blur_size=4, name="conv")
    inputs = keras.Input((16, 16, 3))
    odd = layers.Cropping2D(((0, 1), (0, 1)), name="conv_border")(inputs)
    outputs = [layer(inputs), layer(odd)]
    both = keras.Model(inputs, outputs)
    folded = fold_blurs(both)
    assert type(folded.get_layer("conv")) is layers.Conv2D
    assert isinstance(folded.get_layer("conv_border"), layers.Cropping2D)
    x = make_images(size=16)
    for found, expected in zip(
        predict(folded, x), predict(both, x), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-3)
    # Built on one map, and folded in a network that reads another.
    other = keras.Input((15, 15, 3))
    other = keras.Model(other, layer(other))
    assert_same(predict, fold_blurs(other), other, x[:, 1:, 1:], atol=1e-3)


def test_an_activation_with_a_state_of_its_own(make_images, predict):
    x = make_images(size=16)
    adapted = layers.Normalization()
    adapted.adapt(layers.Conv2D(4, 3, 2)(x))
    inputs = keras.Input((16, 16, 3))
    conv = layers.Conv2D(4, 3, 2, activation=adapted, name="conv")
    model = keras.Model(inputs, conv(inputs))
    blurred = kerastl.antialias(model, 3, place="kernel")
    assert isinstance(blurred.get_layer("conv"), BlurredConv2D)
    assert_same(predict, fold_blurs(blurred), blurred, x, atol=1e-3)


def test_lora_is_in_the_folded_kernel(randomise, make_images, predict):
    inputs = keras.Input((16, 16, 3))
    conv = layers.Conv2D(4, 3, 2, name="conv")
    model = randomise(keras.Model(inputs, conv(inputs)))
    blurred = kerastl.antialias(model, np.int64(3), place="kernel")
    layer = blurred.get_layer("conv")
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.ones((2, 4)))
    folded = fold_blurs(blurred)
    assert not folded.get_layer("conv").lora_enabled
    assert_same(predict, folded, blurred, make_images(size=16), atol=1e-3)
