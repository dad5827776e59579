import keras
import numpy as np
import pytest
from keras import layers

from kerastl import export
from kerastl.export.diagnosis.diagnose import without_rounding

pytestmark = pytest.mark.tensorflow_only


def make_model():
    """Every kind of layer that has a quantization-aware form."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((10, 10, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1.0, name="rescale")(inputs)
    x = layers.Conv2D(4, 3, activation="relu6", name="conv")(x)
    x = layers.DepthwiseConv2D(3, activation="hard_silu", name="depthwise")(x)
    x = layers.SeparableConv2D(6, 3, activation="silu", name="separable")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Activation("hard_sigmoid", name="gate")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    shared = layers.Dense(6, activation="relu", name="shared")
    x = shared(shared(x))
    x = layers.Dense(3, activation="softmax", name="head")(x)
    return keras.Model(inputs, x)


def test_gives_back_the_network_that_it_was_made_of():
    model = make_model()
    images = np.random.default_rng(0).uniform(0, 255, (6, 10, 10, 3))
    aware = export.quantization_aware(model, calibration=images)
    before = aware.get_weights()
    plain = without_rounding(aware)
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(
        plain.predict(images, verbose=0), expected, atol=1e-6
    )
    assert np.abs(aware.predict(images, verbose=0) - expected).max() > 1e-5
    assert [layer.name for layer in plain.layers] == [
        layer.name for layer in model.layers
    ]
    assert {type(layer) for layer in plain.layers} == {
        type(layer) for layer in model.layers
    }
    for mine, theirs in zip(before, aware.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
