import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export import quantization_aware
from kerastl.export.image_range import byte_span
from kerastl.export.image_range import plausible_range
from kerastl.export.image_range import preprocesses_bytes
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


@pytest.mark.parametrize(
    "low, high, dtype, span",
    [
        (0.0, 1.02, "float32", None),  # bicubic overshoot
        (0.0, 2.0, "float32", None),
        (0.0, 60.0, "float32", None),
        (0.0, 200.0, "float64", None),
        (-1.02, 1.0, "float32", None),
        (0.0, 300.0, "float32", None),
        (-12.0, 268.0, "float32", None),
        (-128.0, 127.0, "float32", None),
        (0.0, 229.0, "float32", None),
        (0.0, 230.0, "float32", (0, 255)),  # 0.9 decibels
        (3.0, 255.0, "float16", (0, 255)),
        (0, 60, "uint8", (0, 255)),
        (0, 60, "int64", (0, 255)),
        (0, 1, "uint8", None),
        (-100, 90, "int8", (-128, 127)),
        (5, 90, "int8", (-128, 127)),
        (-1000, 4000, "int16", None),
        (0, 4095, "uint16", None),
    ],
)
def test_bytes_are_not_guessed_from_a_range(low, high, dtype, span):
    assert byte_span(low, high, dtype) == span


@pytest.mark.parametrize(
    "scale, offset, says",
    [
        (1 / 127.5, -1.0, True),
        (1 / 255, 0.0, True),
        (1 / 256, 0.0, True),
        (1 / 255, -0.5, True),
        (1 / 128, -1.0, True),
        TORCH + (True,),
        CAFFE + (True,),
        (1 / 100, 0.0, False),  # of 0 to 100
        (1 / 50, -1.0, False),
        (2.0, -1.0, False),
        (1.0, 0.0, False),
        (1 / 65535, 0.0, False),
        ([1 / 255, 1 / 255, 1 / 100], [0.0] * 3, False),
    ],
)
def test_a_model_says_bytes_by_what_it_makes_of_255(scale, offset, says):
    model = model_of(layers.Rescaling(scale, offset))
    assert preprocesses_bytes(model) == says
    assert byte_span(0.0, 90.0, "float32", model) == (
        (0, 255) if says else None
    )


def test_the_dtype_of_an_input_says_bytes_and_statistics_do_not():
    inputs = keras.Input((8, 8, 3), dtype="uint8")
    model = keras.Model(inputs, layers.Flatten()(layers.Rescaling(1.0)(inputs)))
    assert byte_span(0.0, 90.0, "float32", model) == (0, 255)
    # Measured on images of 0 to 200, which are no bytes.
    norm = layers.Normalization(mean=[100.0] * 3, variance=[3333.0] * 3)
    assert byte_span(0.0, 200.0, "float32", model_of(norm)) is None


@pytest.mark.parametrize("low, high", [(0, 255), (0, 1), (-1, 1)])
def test_the_plausible_range_is_that_of_training(low, high):
    norm = layers.BatchNormalization(momentum=0.0)
    model = model_of(layers.Conv2D(4, 3), norm)
    model(photos(low, high), training=True)
    found = plausible_range(model, (8, 8, 3))
    # Zero to one and minus one to one differ by a factor of two only.
    assert found[1] == high


@pytest.mark.tensorflow_only
def test_the_plausible_range_of_a_quantized_model_is_its_own():
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, layers.Dense(2)(x))
    aware = quantization_aware(model, calibration=photos(-1.5, 1.5, 60))
    found = plausible_range(aware, (8, 8, 3))
    np.testing.assert_allclose(found, (-1.5, 1.5), atol=0.02)
