import types

import keras
import pytest
from keras import layers

from kerastl.losses.embedding_units import embedding_units


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


def units(shape, *more):
    model = keras.Sequential(
        [keras.Input(shape), layers.ReLU(name="features"), *more]
    )
    tuner = types.SimpleNamespace(student=model, embedding=["features"])
    return embedding_units(tuner)


def test_channels_come_last():
    assert units((5,)) == 5
    assert units((3, 4, 5)) == 5


def test_channels_come_first_in_images_alone(channels_first):
    assert units((3, 4, 5)) == 3
    assert units((5,)) == 5
    assert units((4, 5)) == 5
