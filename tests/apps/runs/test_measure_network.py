import keras
import numpy as np
import pytest

from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.runs.measure_network import measure
from kerastl.export import load


def test_accuracy_of_the_centre_and_consistency_of_shifts():
    # A bright column in a dark image; the class is whether the crop has it.
    images = np.zeros((8, 12, 12, 3), "uint8")
    images[4:, :, 2] = 255
    labels = np.repeat([0, 1], 4).astype("int32")
    data = ImageData({"test": ImagePart(labels, 12, images)}, "ab", 8)

    def sees_column(crops):
        bright = crops.max(axis=(1, 2, 3)) > 0
        return np.stack([~bright, bright], axis=1).astype("float32")

    found = measure(sees_column, data, "test", passes=200)
    # The centre crop begins at column 2. Of the five places of a crop three
    # have the column (0, 1, 2): two crops agree with 9/25 + 4/25 in half of
    # the images, and always in the other half.
    assert found["accuracy"] == 1.0
    assert abs(found["consistency"] - (0.5 + 0.5 * 13 / 25)) < 0.05


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_one_output_is_measured_as_yes_or_no(activation):
    images = np.zeros((8, 12, 12, 3), "uint8")
    images[4:] = 255
    labels = np.repeat([0, 1], 4).astype("int32")
    data = ImageData({"test": ImagePart(labels, 12, images)}, "ab", 8)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    dense = keras.layers.Dense(1, activation=activation)
    model = keras.Model(inputs, dense(x))
    # A logit of -0.3 for dark and of 0.3 for bright images.
    dense.set_weights([np.full((3, 1), 0.6 / 3 / 255), np.array([-0.3])])

    assert measure(load(model).classify, data, "test")["accuracy"] == 1
