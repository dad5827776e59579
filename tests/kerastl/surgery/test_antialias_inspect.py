"""inspect_antialias: what would be done to each layer, and why."""

import json

import keras
import pytest
from keras import layers
from keras import ops

import kerastl


@pytest.mark.parametrize(
    ("stack", "place"),
    [
        ([layers.Conv2D(4, 3, 2, activation="relu", name="c")], "it"),
        ([layers.Conv2D(4, 3, 2, name="c"), layers.ReLU(name="r")], "r"),
        (
            [
                layers.Conv2D(4, 3, 2, name="c"),
                layers.BatchNormalization(),
                layers.Activation("swish", name="a"),
                layers.Dropout(0.1),
            ],
            "a",
        ),
        (
            [
                layers.Conv2D(4, 3, 2, name="c"),
                layers.Activation("linear"),
                layers.LeakyReLU(name="first"),
                layers.Rescaling(2.0),
                layers.PReLU(shared_axes=[1, 2], name="last"),
            ],
            "last",
        ),
        # A slope for every pixel cannot be applied to the dense map.
        (
            [
                layers.Conv2D(4, 3, 2, name="c"),
                layers.BatchNormalization(),
                layers.PReLU(name="p"),
            ],
            "it",
        ),
        (
            [layers.Conv2D(4, 3, 2, name="c"), layers.ZeroPadding2D()],
            "it",
        ),
        (
            [layers.SeparableConv2D(4, 3, 2, name="c"), layers.ELU(name="e")],
            "e",
        ),
        ([layers.MaxPooling2D(3, 2, name="c"), layers.ReLU()], "it"),
    ],
)
def test_the_blur_goes_behind_the_last_activation(
    stack, place, by_layer, chain
):
    stack = [type(s).from_config(s.get_config()) for s in stack]
    row = by_layer(kerastl.inspect_antialias(chain(*stack)))["c"]
    assert row.action == "blur after"
    assert row.reason == f"blur 3 after {place}"


def test_the_report_is_plain_data(small_cnn):
    report = kerastl.inspect_antialias(small_cnn()).to_dict()
    assert json.loads(json.dumps(report))["rows"][0] == {
        "layer": "backbone/stem",
        "kind": "Conv 3x3 /2",
        "input_size": [17, 17],
        "output_size": [9, 9],
        "action": "blur after",
        "reason": "blur 3 after stem_relu",
        "blur": "stem_blur",
    }


def test_what_cannot_be_rewritten_is_listed():
    inputs = keras.Input((24, 24, 3))
    x = layers.Resizing(12, 12, name="resize")(inputs)
    x = layers.Cropping2D(3, name="crop")(x)
    x = ops.max_pool(x, 2)
    x = layers.AveragePooling2D(3, name="whole")(x)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    report = kerastl.inspect_antialias(keras.Model(inputs, x))
    reasons = {row.kind: row.reason for row in report.rows}
    assert {row.action for row in report.rows} == {"left"}
    assert "no rewrite" in reasons["Resizing"]
    assert "cuts the border" in reasons["Cropping2D"]
    assert "keras.ops" in reasons["MaxPool"]
    assert "whole map" in reasons["AvgPool 3x3 /3"]
    assert len(reasons) == 4


def test_the_table_fits_a_terminal(small_cnn):
    model = small_cnn()
    model.name = "a_very_long_name_" * 8
    text = str(kerastl.inspect_antialias(model))
    assert max(map(len, text.splitlines())) <= 80
    assert "backbone/stem" in text
    assert "blur 3 after stem_relu" in text
    assert "Multiply-adds" in text
