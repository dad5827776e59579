import keras
import numpy as np
import pytest
from keras import layers

from kerastl import export
from kerastl.export.runners.measure_file import _owner
from kerastl.export.runners.measure_file import float_notes

pytestmark = pytest.mark.tensorflow_only


def test_each_format_says_what_is_in_float_in_it(tmp_path):
    images = np.random.default_rng(0).normal(size=(60, 8, 8, 3))
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3)(inputs)
    x = layers.Conv2DTranspose(4, 2, name="transposed")(x)
    x = layers.PReLU(shared_axes=[1, 2], name="curve")(x)
    x = layers.Maximum(name="larger")([x, layers.Conv2D(4, 1)(x)])
    x = layers.Add(name="three")([x, layers.Conv2D(4, 1)(x), x])
    x = layers.Activation("softsign", name="soft")(x)
    x = layers.Dense(3)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, x)
    with pytest.warns(UserWarning, match="stay in float") as caught:
        aware = export.quantization_aware(model, calibration=images)
    [message] = [
        str(each.message)
        for each in caught
        if "stay in float" in str(each.message)
    ]
    assert message.endswith(": transposed, curve, larger, soft.")
    tflite = export.to_tflite(aware, tmp_path / "a.tflite", evaluation=images)
    assert "In float: three, soft." in tflite.notes
    [note] = [each for each in tflite.notes if each.startswith("In int8")]
    assert note.endswith("inside: transposed, curve, larger.")
    assert tflite.ops["TRANSPOSE_CONV"] == tflite.ops["PRELU"] == 1
    assert tflite.max_abs_difference <= 2.001 * tflite.output["scale"]
    notes = export.to_onnx(aware, tmp_path / "a.onnx").notes
    assert "In float: transposed, curve, larger, soft." in notes
    # What no layer is known for is called by its operator.
    assert float_notes(tmp_path / "a.tflite", "tflite", ["three"], []) == [
        "In float: three, ABS, ADD, DIV."
    ]


@pytest.mark.parametrize(
    "tensor, owner",
    [
        ("net_1/backbone_1/stem_1/Relu", "backbone/stem"),
        ("net/head/MatMul;net/head/BiasAdd", "head"),
        ("x;net_1/stem_12/y", "backbone/stem"),
        # A number that is a part of the name is one.
        ("net/conv_2_1/Conv", "conv_2"),
        ("net/conv_2/Conv", "conv_2"),
        # The innermost scope that is known.
        ("head/stem/Relu", "backbone/stem"),
        ("stem/head/Relu", "head"),
        ("net/stems/Relu", None),
        ("", None),
    ],
)
def test_whose_a_tensor_is(tensor, owner):
    assert _owner(tensor, ["backbone/stem", "head", "conv_2"]) == owner


def test_an_onnx_file_is_in_float_where_training_was():
    assert float_notes(None, "onnx", ["a", "b"], ["b"]) == ["In float: b."]
    assert float_notes(None, "onnx", ["a", "b"], []) == []
