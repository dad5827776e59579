import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from kerastl.surgery.graph import read_graph
from kerastl.surgery.pointwise import pointwise_effect


@pytest.mark.parametrize(
    "call, effect",
    [
        (layers.Activation("linear"), "neutral"),
        (layers.Activation("tanh"), "non-linear"),
        (layers.ReLU(6.0), "non-linear"),
        (layers.Dropout(0.5), "neutral"),
        (layers.BatchNormalization(), "neutral"),
        (layers.LayerNormalization(), "neutral"),
        (layers.LayerNormalization(axis=(1, 2, 3)), None),
        # The channels, counted from either end; then the pixels of a column.
        (layers.BatchNormalization(axis=3), "neutral"),
        (layers.BatchNormalization(axis=1), None),
        (layers.BatchNormalization(axis=-3), None),
        (layers.LayerNormalization(axis=[3]), "neutral"),
        (layers.LayerNormalization(axis=[2]), None),
        (layers.RMSNormalization(), "neutral"),
        (layers.UnitNormalization(axis=-1), "neutral"),
        (layers.UnitNormalization(axis=2), None),
        (layers.Rescaling(2.0), "neutral"),
        (layers.SpatialDropout2D(0.5), "neutral"),
        (layers.LeakyReLU(), "non-linear"),
        (layers.ELU(), "non-linear"),
        # Without a slope of its own for each pixel.
        (layers.PReLU(shared_axes=[1, 2]), "non-linear"),
        (layers.PReLU(shared_axes=[2, 3]), "non-linear"),
        (layers.PReLU(shared_axes=[1, 2, 3]), "non-linear"),
        (layers.PReLU(shared_axes=[1, 3]), None),
        (layers.PReLU(shared_axes=[2]), None),
        (layers.PReLU(), None),
        (ops.silu, "non-linear"),
        (lambda x: ops.clip(x, 0, 6), "non-linear"),
        (lambda x: x * 0.5, "neutral"),
        (lambda x: x * np.ones((4, 6, 1), "float32"), None),
        (lambda x: x + x, None),
        (lambda x: ops.cast(x, "float16"), "neutral"),
        (lambda x: ops.split(x, 3, axis=-1)[0], None),
        (ops.exp, None),
        (layers.Conv2D(3, 3), None),
        (layers.MaxPooling2D(2), None),
    ],
)
def test_what_a_call_does_to_each_pixel(call, effect):
    inputs = keras.Input((4, 6, 3))
    nodes = read_graph(keras.Model(inputs, call(inputs))).nodes
    assert pointwise_effect(nodes[-1]) == effect


def test_channels_come_first_where_keras_says_so(monkeypatch):
    monkeypatch.setattr(
        keras.config, "image_data_format", lambda: "channels_first"
    )
    inputs = keras.Input((3, 4, 6))
    for axis, effect in ((1, "neutral"), (-3, "neutral"), (-1, None)):
        outputs = layers.BatchNormalization(axis=axis)(inputs)
        [node] = read_graph(keras.Model(inputs, outputs)).nodes
        assert pointwise_effect(node) == effect
