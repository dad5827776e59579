import keras
import numpy as np
import pytest
from keras import layers

from kerastl import export
from kerastl.export.quantization.placement import input_scales

pytestmark = pytest.mark.tensorflow_only


def test_scales_are_those_of_what_is_read_through_nested_models():
    inputs = keras.Input((8, 8, 3))
    x = layers.MaxPooling2D(2, name="max")(inputs)
    x = layers.Conv2D(4, 1, activation="sigmoid", name="inner")(x)
    block = keras.Model(inputs, x, name="block")
    inputs = keras.Input((8, 8, 3))
    x = block(inputs)
    x = layers.Conv2D(4, 1, name="after_sigmoid")(x)
    x = layers.Flatten()(layers.Reshape((2, 2, 16))(x))
    x = layers.Dense(4, activation="softmax", name="head")(x)
    x = layers.Dense(2, name="after_softmax")(x)
    model = keras.Model(inputs, x)
    images = np.random.default_rng(0).uniform(0, 51, (60, 8, 8, 3))
    images[0, 0, 0, 0] = 51
    aware = export.quantization_aware(model, calibration=images)
    found = input_scales(aware)
    quantizer = aware.get_layer("after_sigmoid_quantizer")
    low, high = quantizer.range()
    assert found["block/max", 0] == pytest.approx(0.2)
    assert found["block/inner", 0] == pytest.approx(0.2)
    assert found["after_sigmoid", 0] == pytest.approx(1 / 256)
    assert found["head", 0] == pytest.approx((high - low) / 255)
    assert found["after_softmax", 0] == pytest.approx(1 / 256)
