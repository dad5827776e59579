import keras
import pytest
from keras import layers

from kerastl import export
from kerastl.export.conversion.converters import unsupported_layers

pytestmark = pytest.mark.tensorflow_only


class Inverse(keras.layers.Layer):
    def call(self, x):
        return keras.ops.erfinv(keras.ops.tanh(x))


def test_layers_of_operators_without_a_kernel_are_named(tmp_path):
    backbone = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="conv"),
            Inverse(name="inverse"),
        ],
        name="backbone",
    )
    inputs = keras.Input((8, 8, 3))
    x = Inverse(name="other")(backbone(inputs))
    x = layers.GlobalAveragePooling2D(name="average")(x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(x))
    with pytest.raises(
        ValueError, match=r"Erfinv \(made by: backbone/inverse, other\)"
    ):
        export.to_tflite(model, tmp_path / "model.tflite", "float32")
    assert not any(tmp_path.iterdir())


def test_scopes_are_told_apart_by_whole_names():
    inputs = keras.Input((4,))
    x = layers.Dense(4, name="dense")(inputs)
    model = keras.Model(inputs, layers.Dense(4, name="dense_out")(x))
    error = RuntimeError('fused["Erf:", "net_1/dense_out_1/Erf@main"]')
    assert unsupported_layers(model, error, ["Erf"]) == ["dense_out"]
    assert unsupported_layers(model, error, ["Exp"]) == []
