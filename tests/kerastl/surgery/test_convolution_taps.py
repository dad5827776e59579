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
