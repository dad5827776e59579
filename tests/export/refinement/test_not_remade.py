"""Networks with a layer of which no copy can be made: written all the same."""

import keras
import numpy as np
import pytest

from kerastl import export
from kerastl import surgery

pytestmark = pytest.mark.tensorflow_only


class Scaled(keras.layers.Layer):
    """As users write them: no `get_config`, no `**kwargs`."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor


class Counting(keras.layers.Layer):
    """Makes a variable that its config says nothing of."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.more = None

    def call(self, inputs):
        return inputs


def network(kind):
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(8, 3, name="first")(x)
    if kind == "wrapped lambda":
        inner = keras.layers.Dense(8, lambda x: x * keras.ops.sigmoid(x))
        x = keras.layers.TimeDistributed(inner)(x)
    if kind == "scaled":
        x = Scaled(2.0)(x)
    if kind == "counting":
        layer = Counting()
        x = layer(x)
        layer._tracker.unlock()
        layer.more = layer.add_weight(shape=(2,))
        layer._tracker.lock()
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(4, "softmax")(x))


@pytest.mark.parametrize("kind", ["wrapped lambda", "scaled", "counting"])
@pytest.mark.parametrize("write", [export.to_tflite, export.to_onnx])
def test_the_plain_file_is_written_and_the_report_says_why(
    kind, write, tmp_path
):
    model = network(kind)
    images = np.random.default_rng(0).uniform(0, 255, (60, 12, 12, 3))
    images = images.astype("float32")
    # Only the network itself is compared: it need not be copied for that.
    with pytest.raises(ValueError, match="made again|same variables"):
        surgery.copy_model(model)
    name = "model." + ("tflite" if write is export.to_tflite else "onnx")
    report = write(
        model,
        tmp_path / name,
        scheme="int8",
        calibration=images,
        evaluation=images,
    )
    assert "cannot be made again from its config" in report.refinement.reason
    assert not report.refinement.kept
    outputs = export.load(tmp_path / name).predict(images)
    expected = model.predict(images, verbose=0)
    assert np.abs(outputs - expected).mean() < 0.01


def test_the_message_has_no_code_in_it():
    with pytest.raises(ValueError, match="activation function") as caught:
        surgery.copy_model(network("wrapped lambda"))
    assert len(str(caught.value)) < 800
