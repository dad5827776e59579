import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export.image_range import range_problem


def model_of(*first):
    return keras.Sequential(
        [keras.Input((8, 8, 3)), *first, layers.Conv2D(4, 3), layers.Flatten()]
    )


def photos(low, high, count=16):
    generator = np.random.default_rng(0)
    return generator.uniform(low, high, (count, 8, 8, 3)).astype("float32")


TF = (1 / 127.5, -1.0)
TORCH = ([1 / 58.4, 1 / 57.1, 1 / 57.4], [-2.1, -2.0, -1.8])
CAFFE = ([1.0] * 3, [-123.68, -116.779, -103.939])
UNIT = (1 / 255, 0.0)


@pytest.mark.parametrize("scale, offset", [TF, TORCH, CAFFE, UNIT])
@pytest.mark.parametrize(
    "low, high, problem",
    [
        (0, 255, None),
        (0, 60, None),  # a dark set
        (-12, 268, None),  # bicubic resizing overshoots
        (0, 1, "too small a range"),
        (-1, 1, "too small a range"),
        (-2.2, 2.7, "too small a range"),
        (-128, 127, "128 subtracted"),
        (0, 65535, "16-bit"),
    ],
)
def test_images_for_a_model_of_bytes(scale, offset, low, high, problem):
    model = model_of(layers.Rescaling(scale, offset))
    found = range_problem(photos(low, high), model)
    assert found is None if problem is None else problem in found


@pytest.mark.parametrize("low, high, fits", [(0, 1, True), (0, 255, False)])
def test_images_for_a_model_of_0_to_1(low, high, fits):
    found = range_problem(
        photos(low, high), model_of(layers.Rescaling(2.0, -1.0))
    )
    assert (found is None) == fits


@pytest.mark.parametrize("nested", [False, True])
def test_without_preprocessing_batch_norm_remembers_the_range(nested):
    norm = layers.BatchNormalization(name="norm", momentum=0.0)
    model = model_of(layers.Conv2D(4, 3, name="stem"), norm)
    if nested:
        model = keras.Sequential([keras.Input((8, 8, 3)), model])
    images = photos(0, 1)
    assert range_problem(255 * images, model) is None  # it has seen nothing
    model(images, training=True)
    assert range_problem(images, model) is None
    found = range_problem(255 * images, model)
    assert "'norm' varies 6.5e+04 times" in found
    assert "0 to 1" in found
    model(255 * images, training=True)
    assert "1.5e-05 times" in range_problem(images, model)
