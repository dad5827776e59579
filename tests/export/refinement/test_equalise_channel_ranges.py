"""How far channels reach, against the layers' own outputs."""

import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.refinement import equalise as module
from kerastl.export.refinement.equalise import channel_ranges
from kerastl.export.refinement.refinable_copy import Schedule

pytestmark = pytest.mark.tensorflow_only


@pytest.mark.parametrize("size", [32, 3])
def test_the_largest_size_of_each_channel(monkeypatch, size):
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, name="first")(inputs)
    y = layers.ReLU(name="relu")(x)
    x = layers.Add(name="sum")([x, y])
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(inputs, layers.Dense(2, name="head")(x))
    schedule = Schedule(model)
    number_of = {
        call.operation.name: call.outputs[0] for call in schedule.flat.calls
    }
    images = np.random.default_rng(0).normal(size=(8, 6, 6, 3))
    images = images.astype("float32")
    monkeypatch.setattr(
        module,
        "batches",
        lambda schedule, images: np.split(images, range(size, 8, size)),
    )
    names = ("first", "sum", "head")
    found = channel_ranges(schedule, {number_of[n] for n in names}, images)
    assert found.keys() == {number_of[name] for name in names}
    for name in names:
        output = model.get_layer(name).output
        values = np.asarray(keras.Model(inputs, output)(images))
        expected = np.abs(values).reshape(-1, values.shape[-1]).max(0)
        np.testing.assert_allclose(found[number_of[name]], expected, rtol=1e-5)
