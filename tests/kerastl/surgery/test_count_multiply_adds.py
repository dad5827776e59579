"""count_multiply_adds against counts made by hand."""

import keras
import pytest
from keras import layers

import kerastl


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        # outputs x window x input channels
        (layers.Conv2D(8, 3, strides=2, padding="same"), 5 * 6 * 8 * 9 * 4),
        (layers.Conv2D(8, (1, 3), groups=2), 10 * 10 * 8 * 3 * 2),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), 8 * 10 * 8 * 9),
        (
            layers.SeparableConv2D(6, 3, depth_multiplier=2),
            8 * 10 * (8 * 9 + 8 * 6),
        ),
        (layers.Conv2DTranspose(6, 3, strides=2), 10 * 12 * 4 * 9 * 6),
        (layers.Dense(5), 10 * 12 * 5 * 4),
        (kerastl.layers.BlurPooling2D((3, 4), 2), 5 * 6 * 4 * 12),
        # Each of the 2 x 9 taps that are predicted reads 9 pixels itself.
        (
            kerastl.layers.AdaptiveBlurPooling2D(3, groups=2),
            5 * 6 * 4 * (9 + 9 * 18),
        ),
        (layers.MaxPooling2D(), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_layer(layer, expected):
    model = keras.Sequential([keras.Input((10, 12, 4)), layer])
    assert kerastl.count_multiply_adds(model) == expected


def test_shared_and_nested_layers_count_at_each_call():
    conv = layers.Conv2D(3, 1, name="conv")
    inner = keras.Sequential([keras.Input((4, 4, 3)), conv], name="inner")
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, inner(inner(inputs)))
    counts = kerastl.count_multiply_adds(model, by_layer=True)
    assert counts == {"inner/conv": 2 * 16 * 9}


@pytest.mark.parametrize(
    ("build", "millions"),
    [
        # The papers' own figures.
        (keras.applications.MobileNet, 569),
        (keras.applications.MobileNetV2, 300),
    ],
)
def test_published_networks(build, millions):
    count = kerastl.count_multiply_adds(build(weights=None))
    assert count / 1e6 == pytest.approx(millions, rel=0.01)


def test_sizes_must_be_known():
    model = keras.Sequential(
        [keras.Input((None, None, 3)), layers.Conv2D(2, 3, name="conv")]
    )
    with pytest.raises(ValueError, match="known input size.*layer=conv"):
        kerastl.count_multiply_adds(model)
