import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export import quantization_aware
from kerastl.export.conversion.image_range import byte_span
from kerastl.export.conversion.image_range import plausible_range
from kerastl.export.conversion.image_range import preprocesses_bytes
from kerastl.export.conversion.image_range import range_problem


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
@pytest.mark.parametrize(
    "scaled",
    [
        lambda x: layers.Rescaling(2.0, -1.0)(x / 255.0),
        lambda x: layers.Normalization(mean=0.45, variance=0.05)(x / 255.0),
        lambda x: layers.Rescaling(2.0)(keras.ops.sigmoid(x / 99.0 - 1.0)),
        lambda x: layers.Concatenate()(
            [layers.Rescaling(0.9)(x), layers.Rescaling(1 / 255)(x)]
        ),
    ],
)
def test_what_arithmetic_has_scaled_before_is_no_range_of_images(scaled):
    inputs = keras.Input((8, 8, 3))
    x = layers.Flatten()(layers.Conv2D(4, 3)(scaled(inputs)))
    model = keras.Model(inputs, x)
    assert range_problem(photos(0, 255), model) is None
    assert not preprocesses_bytes(model)


@pytest.mark.parametrize(
    "moved",
    [
        lambda x: x[..., ::-1],
        lambda x: layers.Resizing(6, 6)(x),
        lambda x: layers.ZeroPadding2D(2)(keras.ops.cast(x, "float32")),
        lambda x: layers.RandomFlip()(keras.Sequential([layers.Identity()])(x)),
    ],
)
def test_what_moves_pixels_does_not_hide_the_scaling(moved):
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(*TF)(moved(inputs))
    model = keras.Model(inputs, layers.Flatten()(layers.Conv2D(4, 3)(x)))
    assert "too small" in range_problem(photos(0, 1), model)
    assert preprocesses_bytes(model)


def test_the_plausible_range_of_a_quantized_model_is_its_own():
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, layers.Dense(2)(x))
    aware = quantization_aware(model, calibration=photos(-1.5, 1.5, 60))
    found = plausible_range(aware, (8, 8, 3))
    np.testing.assert_allclose(found, (-1.5, 1.5), atol=0.02)


@pytest.mark.parametrize(
    "first, low, high, problem",
    [
        # A span of a twentieth of the range, at 12.75.
        (UNIT, 100, 112, "too small a range"),
        (UNIT, 100, 113, None),
        # Beside the mean that is taken off, 0.05 of 124 is 6.2.
        (CAFFE, 0, 6, "too small a range"),
        (CAFFE, 0, 7, None),
        (UNIT, -64, 255, None),
        (UNIT, -65, 255, "128 subtracted"),
        (UNIT, 0, 512, None),
        (UNIT, 0, 513, "16-bit"),
        # Of 64 to 512 is taken for a byte.
        ((1 / 63, 0.0), -65, 255, None),
        ((1 / 64, 0.0), -65, 255, "128 subtracted"),
        ((1 / 512, 0.0), -65, 255, "128 subtracted"),
        ((1 / 513, 0.0), -65, 255, None),
        ((2.0, 0.0), 0, 50, None),
        ((2.0, 0.0), 0, 51, "most likely 0 to 1"),
        ((2.0, 0.0), -51, 0, "most likely 0 to 1"),
        # Nothing but a shift says no range.
        ((1.0, 0.0), 0, 51_000, None),
    ],
)
def test_where_a_range_begins_to_be_wrong(first, low, high, problem):
    images = np.full((1, 8, 8, 3), low, "float32")
    images[0, 0] = high
    found = range_problem(images, model_of(layers.Rescaling(*first)))
    assert found is None if problem is None else problem in found


def test_the_values_and_what_becomes_of_them_are_told():
    layer = layers.Rescaling(1 / 255, name="scale")
    images = np.zeros((1, 8, 8, 3), "float32")
    images[0, 0] = 2.55
    assert range_problem(images, model_of(layer)).endswith(
        "Received: values from 0 to 2.55, which the layer 'scale' turns into "
        "0 to 0.01"
    )


@pytest.mark.parametrize(
    "factor, fits", [(9.9, True), (10.1, False), (0.101, True), (0.099, False)]
)
def test_a_hundredth_of_the_variance_is_another_range(factor, fits):
    """Of the first sixteen images."""
    norm = layers.BatchNormalization(momentum=0.0)
    model = model_of(layers.Conv2D(4, 3, use_bias=False), norm)
    images = photos(0, 2)
    model(images, training=True)
    others = np.concatenate([factor * images, 10_000 * images])
    assert (range_problem(others, model) is None) == fits


def test_a_batch_norm_behind_two_layers_mirrors_no_input():
    norm = layers.BatchNormalization(momentum=0.0)
    model = model_of(layers.Conv2D(4, 3), layers.Conv2D(4, 1), norm)
    model(photos(0, 1), training=True)
    assert range_problem(photos(0, 255), model) is None
    behind = layers.BatchNormalization(momentum=0.0, name="behind")
    model = model_of(layers.Conv2D(4, 3), layers.ReLU(), behind)
    model(photos(0, 1), training=True)
    assert "'behind'" in range_problem(photos(0, 255), model)


@pytest.mark.parametrize(
    "scale, offset, says",
    [
        (1 / 254, 0.0, True),
        (1 / 253.9, 0.0, False),
        (1 / 257, 0.0, True),
        (1 / 257.1, 0.0, False),
        (2 / 254, -1.0, True),
        (2 / 253, -1.0, False),
        (1 / 50, -85 / 50, True),
        (1 / 50, -84 / 50, False),
        (1 / 50, -170 / 50, True),
        (1 / 50, -171 / 50, False),
    ],
)
def test_where_a_scaling_is_one_of_bytes(scale, offset, says):
    assert preprocesses_bytes(model_of(layers.Rescaling(scale, offset))) == says


@pytest.mark.parametrize(
    "low, high, dtype, span",
    [
        (0.0, 229.5, "float32", (0, 255)),
        (0.0, 229.4, "float32", None),
        (0.0, 255.0, "float32", (0, 255)),
        (0.0, 255.1, "float32", None),
        (0, 2, "int32", (0, 255)),
        (-1, 200, "int32", None),
        (-128, 127, "int8", (-128, 127)),
        (-129, 127, "int8", None),
        (-128, 128, "int8", None),
    ],
)
def test_where_bytes_end(low, high, dtype, span):
    assert byte_span(low, high, dtype) == span


def test_the_dtype_of_an_input_says_a_range():
    inputs = keras.Input((8, 8, 3), dtype="int8")
    model = keras.Model(inputs, layers.Flatten()(layers.Rescaling(1.0)(inputs)))
    assert plausible_range(model, (8, 8, 3)) == (-128, 127)
    plain = model_of()
    assert plausible_range(plain, (8, 8, 3)) == (0, 255)
    small = model_of(layers.Rescaling(2.0, -1.0))
    assert plausible_range(small, (8, 8, 3)) == (0, 1)
