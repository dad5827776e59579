import keras
import pytest
from keras import layers

import kerastl
from kerastl.surgery import convolution_taps


def test_last_convolution_of_each_stage(make_network):
    assert convolution_taps(make_network()) == ["block1_conv", "block2_conv"]


def test_authors_taps_of_resnet_50():
    source = keras.applications.ResNet50(
        weights=None, include_top=False, input_shape=(64, 64, 3)
    )
    taps = convolution_taps(source)
    assert (
        taps[1:]
        == [
            "conv2_block3_3_conv",
            "conv3_block4_3_conv",
            "conv4_block6_3_conv",
            "conv5_block3_3_conv",
        ][-len(taps[1:]) :]
    )


def test_taps_of_a_blurred_student_have_its_shapes(make_network):
    source = make_network()
    student = kerastl.antialias(source)
    taps = convolution_taps(source, student)
    assert taps == ["block1_conv", "block2_conv"]
    nested = keras.Sequential([keras.Input((16, 16, 3)), source])
    assert convolution_taps(nested, student) == taps


def test_no_convolution_to_compare():
    source = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.MaxPooling2D(2),
            layers.Rescaling(2.0),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    with pytest.raises(ValueError, match="No convolution was found"):
        convolution_taps(source)


def _residual(order, channels=(4, 6), stride=2):
    """Two blocks, each a long way and a short one to the same sum."""
    x = inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", name="stem")(x)
    for block, count in enumerate(channels, 1):
        y = layers.Conv2D(8, 1, name=f"expand_{block}")(x)
        y = layers.ReLU()(y)
        y = layers.DepthwiseConv2D(
            3, stride, padding="same", name=f"depthwise_{block}"
        )(y)
        y = layers.SeparableConv2D(
            count, 3, padding="same", name=f"long_{block}"
        )(y)
        y = layers.BatchNormalization()(y)
        x = layers.Conv2D(count, 1, stride, name=f"short_{block}")(x)
        x = layers.Add(name=f"sum_{block}")([(x, y), (y, x)][order])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2)(x), name="residual")


@pytest.mark.parametrize("order", [0, 1])
def test_the_deepest_of_those_that_are_summed(order):
    """Whichever of the two comes first in the sum."""
    assert convolution_taps(_residual(order))[-2:] == ["long_1", "long_2"]


@pytest.mark.parametrize("order", [0, 1])
def test_a_convolution_is_behind_the_block_before(order):
    """An identity is no convolution, and leads to the block before it."""
    x = inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", name="stem")(x)
    for block in (1, 2, 3):
        y = layers.DepthwiseConv2D(3, padding="same", name=f"dw_{block}")(x)
        x = layers.Add()([(x, y), (y, x)][order])
    x = layers.Dense(2)(layers.GlobalAveragePooling2D()(x))
    assert convolution_taps(keras.Model(inputs, x)) == ["dw_3"]


def test_only_taps_of_the_same_shape_in_the_student():
    source, student = _residual(0), _residual(0, channels=(4, 10))
    assert convolution_taps(source)[-2:] == ["long_1", "long_2"]
    assert convolution_taps(source, student)[-1] == "long_1"


def test_a_wider_map_is_not_what_the_stage_ends_in():
    """A convolution behind which channels are put together is left out."""
    x = inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", name="stem")(x)
    y = layers.Conv2D(2, 3, padding="same", name="part")(x)
    x = layers.Concatenate(name="both")([x, y])
    x = layers.Conv2D(6, 3, padding="same", name="whole")(x)
    z = layers.Conv2D(4, 3, padding="same", name="new")(x)
    z = layers.Concatenate()([z, y])
    x = layers.Add()([x, z])
    x = layers.Dense(2)(layers.GlobalAveragePooling2D()(x))
    assert convolution_taps(keras.Model(inputs, x)) == ["whole"]
