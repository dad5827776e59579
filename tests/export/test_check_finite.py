import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.check_finite import check_finite


def build():
    backbone = keras.Sequential(
        [keras.Input((6, 6, 3)), layers.Conv2D(4, 3, name="conv")],
        name="backbone",
    )
    inputs = keras.Input((6, 6, 3))
    x = backbone(inputs)
    x = keras.ops.log(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x)), backbone


IMAGES = np.ones((12, 6, 6, 3), "float32")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_are_named_with_their_layer(value):
    model, backbone = build()
    check_finite(model)
    bias = backbone.get_layer("conv").bias
    bias.assign([1.0, value, 1.0, 1.0])
    with pytest.raises(
        ValueError, match=r"'bias' of the layer 'backbone/conv'.* 1 of 4"
    ):
        check_finite(model)


def test_the_first_layer_with_such_outputs_is_named():
    model, backbone = build()
    conv = backbone.get_layer("conv")
    conv.set_weights([np.zeros((3, 3, 3, 4)), np.ones(4)])
    check_finite(model, IMAGES)
    conv.set_weights([np.zeros((3, 3, 3, 4)), -np.ones(4)])
    check_finite(model)  # the weights alone are sound
    with pytest.raises(ValueError, match="outputs of the layer 'log'"):
        check_finite(model, IMAGES)


def test_eight_images_are_looked_at():
    model, backbone = build()
    backbone.get_layer("conv").set_weights(
        [np.full((3, 3, 3, 4), 1 / 27), np.zeros(4)]
    )
    images = IMAGES.copy()
    images[8:] = -1
    check_finite(model, images)
    images[7] = -1
    # One of eight, 4 x 4 places of 4 channels each.
    with pytest.raises(ValueError, match=r"'log'.* 64 of 512 values"):
        check_finite(model, images)


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_no_file_is_written_from_such_a_model(format, tmp_path):
    from kerastl import export

    model, backbone = build()
    kernel = backbone.get_layer("conv").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    write = {"tflite": export.to_tflite, "onnx": export.to_onnx}[format]
    with pytest.raises(ValueError, match="'backbone/conv'"):
        write(model, tmp_path / f"model.{format}", "float32")
    assert not any(tmp_path.iterdir())
