import warnings

import keras
import numpy as np
import pytest
from keras import layers

from kerastl import export
from kerastl.export.conversion.choose_images import check_finite
from kerastl.export.conversion.choose_images import choose_calibration
from kerastl.export.conversion.choose_images import spread_images
from kerastl.export.conversion.choose_images import stretch_to_pixel_range
from kerastl.export.runners.image_batches import ImageBatches
from kerastl.export.runners.inference_model import lower


def small_model(*preprocessing, num_classes=3):
    return lower(
        keras.Sequential(
            [
                keras.Input((4, 4, 3)),
                *preprocessing,
                layers.Conv2D(2, 3),
                layers.GlobalAveragePooling2D(),
                layers.Dense(num_classes, activation="softmax"),
            ]
        )
    )


def numbered(labels):
    """Images that carry their own position in their pixels."""
    stack = np.arange(len(labels), dtype="float32")
    return np.tile(stack[:, None, None, None], (1, 4, 4, 3)), np.array(labels)


def test_each_class_gets_its_share():
    data = numbered([0] * 50 + [1] * 5 + [2] * 20)
    chosen = choose_calibration(data, small_model(), 15)[:, 0, 0, 0]
    counts = np.bincount(data[1][chosen.astype(int)], minlength=3)
    np.testing.assert_array_equal(counts, [5, 5, 5])
    assert len(set(chosen)) == 15


def test_a_small_class_is_filled_up_from_the_others():
    data = numbered([0] * 50 + [1] * 2 + [2] * 20)
    chosen = choose_calibration(data, small_model(), 15)[:, 0, 0, 0]
    counts = np.bincount(data[1][chosen.astype(int)], minlength=3)
    assert counts[1] == 2
    assert counts.sum() == 15


def test_one_score_tells_two_classes():
    data = numbered([0] * 50 + [1] * 8)
    chosen = choose_calibration(data, small_model(num_classes=1), 11)
    # A share is rounded up, and what is too much falls off at the end.
    labels = data[1][chosen[:, 0, 0, 0].astype(int)]
    np.testing.assert_array_equal(labels, [0] * 6 + [1] * 5)


def test_images_and_labels_stay_together():
    model = small_model()
    data = numbered([2, 2, 2, 1, 0, 2])
    batches = ImageBatches(data, model.input_shape, 3, "calibration")
    images, labels = spread_images(batches, model, 5)
    # One more of the class that has more than its share.
    np.testing.assert_array_equal(images[:, 0, 0, 0], [0, 1, 3, 4, 2])
    assert labels == (2, 2, 1, 0, 2)


def test_how_long_a_rare_class_is_looked_for():
    """For as many images as twenty times those that are kept."""
    read = []

    def batches():
        for batch in range(30):
            read.append(batch)
            yield np.full((10, 4, 4, 3), batch), np.zeros(10, int)

    with pytest.warns(UserWarning, match="of 1 class"):
        choose_calibration(batches(), small_model(), 9)
    # The first batch may be read once more, to see what the data is.
    assert max(read) == 17


def test_without_labels_the_first_images_are_taken():
    images, _ = numbered([0] * 30)
    chosen = choose_calibration(images, small_model(), 7)
    np.testing.assert_array_equal(chosen, images[:7])


def test_an_endless_set_of_one_class_ends():
    def endless():
        while True:
            yield np.full((10, 4, 4, 3), 9.0), np.zeros(10, int)

    assert len(choose_calibration(endless(), small_model(), 20)) == 20


@pytest.mark.parametrize("scale, offset", [(1 / 127.5, -1), (1 / 255, 0)])
def test_images_in_0_to_1_for_a_model_of_0_to_255(scale, offset):
    model = small_model(layers.Rescaling(scale, offset, name="rescale"))
    images = np.random.default_rng(0).uniform(0, 1, (8, 4, 4, 3))
    with pytest.raises(ValueError, match="too small a range") as error:
        choose_calibration(images, model)
    assert "layer 'rescale'" in str(error.value)
    assert f"{images.max():.4g}" in str(error.value)
    assert len(choose_calibration(255 * images, model)) == 8


def test_images_in_0_to_255_for_a_model_of_0_to_1():
    model = small_model(layers.Rescaling(2.0, -1.0))
    images = np.random.default_rng(0).uniform(0, 255, (8, 4, 4, 3))
    with pytest.raises(ValueError, match="too large a range"):
        choose_calibration(images, model)


def test_a_normalization_layer_is_understood_too():
    normalization = layers.Normalization(
        mean=[120.0] * 3, variance=[60.0**2] * 3
    )
    model = small_model(normalization)
    images = np.random.default_rng(0).uniform(0, 1, (8, 4, 4, 3))
    with pytest.raises(ValueError, match="-2 to -1.98"):
        choose_calibration(images, model)


def test_the_layer_is_found_in_a_nested_backbone():
    backbone = keras.Sequential(
        [keras.Input((4, 4, 3)), layers.Rescaling(1 / 255), layers.Conv2D(2, 3)]
    )
    model = keras.Sequential(
        [keras.Input((4, 4, 3)), backbone, layers.Flatten(), layers.Dense(3)]
    )
    with pytest.raises(ValueError, match="too small a range"):
        choose_calibration(np.ones((2, 4, 4, 3)), lower(model))


def test_models_that_only_subtract_the_mean_accept_pixels():
    model = small_model(layers.Rescaling(1.0, offset=-120.0))
    images = np.random.default_rng(0).uniform(0, 255, (8, 4, 4, 3))
    assert len(choose_calibration(images, model)) == 8


def test_a_model_without_preprocessing_accepts_any_range():
    assert len(choose_calibration(np.ones((2, 4, 4, 3)), small_model())) == 2


def test_num_calibration_must_be_positive():
    with pytest.raises(ValueError, match="num_calibration=0"):
        choose_calibration(np.ones((2, 4, 4, 3)), small_model(), 0)


def test_stretching_moves_two_values_and_no_other():
    images = np.random.default_rng(0).uniform(3, 250, (8, 4, 4, 3))
    stretched = stretch_to_pixel_range(images)
    assert (stretched.min(), stretched.max()) == (0, 255)
    assert (stretched != images).sum() == 2


@pytest.mark.parametrize(
    "low, high", [(-1, 1), (0, 1), (0, 1.02), (0, 2), (0, 60), (0, 300)]
)
def test_other_ranges_are_not_stretched(low, high):
    images = np.linspace(low, high, 48).reshape(1, 4, 4, 3)
    assert stretch_to_pixel_range(images) is images


@pytest.mark.parametrize(
    "values, span",
    [
        ((0, 1.02, "float32"), (0, 1.02)),
        ((0, 2.0, "float32"), (0, 2.0)),
        ((-1.02, 1, "float32"), (-1.02, 1)),
        ((0, 300, "float32"), (0, 300)),
        ((0, 60, "float32"), (0, 60)),
        ((0, 60, "uint8"), (0, 255)),
        ((0, 60, "int32"), (0, 255)),
        ((-60, 60, "int8"), (-128, 127)),
    ],
)
@pytest.mark.parametrize("kind", ["array", "pair", "dataset", "images"])
def test_the_input_range_is_that_of_the_data(values, span, kind):
    low, high, dtype = values
    images = np.linspace(low, high, 52 * 48).reshape(52, 4, 4, 3)
    images = images.astype(dtype)
    labels = np.arange(52) % 3
    data = {
        "array": images,
        "pair": (images, labels),
        "dataset": zip(np.split(images, 4), np.split(labels, 4), strict=True),
        "images": iter(images),
    }[kind]
    chosen = choose_calibration(data, small_model())
    assert chosen.dtype == np.float32
    assert (chosen.min(), chosen.max()) == pytest.approx(span)


def test_a_dark_set_for_a_model_of_bytes_is_stretched():
    model = small_model(layers.Rescaling(1 / 127.5, -1.0))
    images = np.random.default_rng(0).uniform(0, 60, (52, 4, 4, 3))
    assert choose_calibration(images, model).max() == 255


def plain_file(model, images, path):
    """What anybody gets from the converter, with nothing of ours."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [image[None]] for image in images
    )
    builtins = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
    converter.target_spec.supported_ops = [builtins]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())


@pytest.mark.tensorflow_only
def test_no_file_is_worse_than_that_of_the_plain_converter(tmp_path):
    """Bicubic overshoot, and tails that a moving average would cut off."""
    generator = np.random.default_rng(0)
    images = generator.gamma(1.0, 0.06, (200, 12, 12, 3)).astype("float32")
    images *= 1.02 / images.max()
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, activation="relu")(inputs)
    x = layers.Conv2D(8, 3, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(16)(layers.Flatten()(x)))
    expected = model.predict(images, verbose=0)

    def quality(path):
        error = np.square(export.load(path).predict(images) - expected).mean()
        return 10 * np.log10(np.square(expected).mean() / error)

    plain_file(model, images, tmp_path / "plain.tflite")
    plain = quality(tmp_path / "plain.tflite")
    aware = export.quantization_aware(model, calibration=images)
    for source, calibration in ((model, images), (aware, None)):
        for write, path in (
            (export.to_tflite, tmp_path / "a.tflite"),
            (export.to_onnx, tmp_path / "a.onnx"),
        ):
            report = write(
                source, path, calibration=calibration, overwrite=True
            )
            assert quality(path) > plain - 1, path
            if "scale" in report.input:
                scale = pytest.approx(1.02 / 255, rel=1e-3)
                assert report.input["scale"] == scale


def test_few_images_are_warned_of_with_their_number():
    with pytest.warns(UserWarning, match="Only 7 images") as caught:
        choose_calibration(numbered([0, 1, 2, 0, 1, 2, 0]), small_model())
    assert len(caught) == 1
    # Fifty are enough, and of one no class is missed.
    with pytest.warns(UserWarning, match="Only 49 images"):
        choose_calibration(numbered([0, 1] * 30), small_model(), 49)
    with pytest.warns(UserWarning, match="Only 1 image in") as caught:
        choose_calibration(numbered([0, 1]), small_model(), 1)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choose_calibration(numbered([0, 1] * 30), small_model(), 50)


def test_a_pair_of_one_class_is_warned_of_as_of_two():
    with pytest.warns(UserWarning, match=r"All 2 .* \(index 0\) of 2"):
        choose_calibration(numbered([0, 0]), small_model(num_classes=1))


def test_one_class_is_warned_of_with_its_index():
    with pytest.warns(UserWarning, match=r"All 60 .* 1 class \(index 2\) of 3"):
        choose_calibration(numbered([2] * 80), small_model(), 60)


def test_enough_images_of_two_classes_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choose_calibration(numbered([0, 2] * 30), small_model())
        choose_calibration(numbered([0, 2] * 30)[0], small_model())


def test_a_file_without_ranges_is_compared_on_a_few_without_a_word(tmp_path):
    images = np.random.default_rng(0).uniform(0, 1, (7, 4, 4, 3))
    model = small_model().source
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        report = export.to_tflite(
            model,
            tmp_path / "model.tflite",
            scheme="float32",
            calibration=images.astype("float32"),
        )
    assert (report.num_images, report.reference) == (7, "calibration")


def build():
    backbone = keras.Sequential(
        [keras.Input((6, 6, 3)), layers.Conv2D(4, 3, name="conv")],
        name="backbone",
    )
    inputs = keras.Input((6, 6, 3))
    x = backbone(inputs)
    x = keras.ops.log(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x)), backbone


IMAGES = np.ones((12, 6, 6, 3), "float32")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_are_named_with_their_layer(value):
    model, backbone = build()
    check_finite(model)
    bias = backbone.get_layer("conv").bias
    bias.assign([1.0, value, 1.0, 1.0])
    with pytest.raises(
        ValueError, match=r"'bias' of the layer 'backbone/conv'.* 1 of 4"
    ):
        check_finite(model)


def test_the_first_layer_with_such_outputs_is_named():
    model, backbone = build()
    conv = backbone.get_layer("conv")
    conv.set_weights([np.zeros((3, 3, 3, 4)), np.ones(4)])
    check_finite(model, IMAGES)
    conv.set_weights([np.zeros((3, 3, 3, 4)), -np.ones(4)])
    check_finite(model)  # the weights alone are sound
    with pytest.raises(ValueError, match="outputs of the layer 'log'"):
        check_finite(model, IMAGES)


def test_eight_images_are_looked_at():
    model, backbone = build()
    backbone.get_layer("conv").set_weights(
        [np.full((3, 3, 3, 4), 1 / 27), np.zeros(4)]
    )
    images = IMAGES.copy()
    images[8:] = -1
    check_finite(model, images)
    images[7] = -1
    # One of eight, 4 x 4 places of 4 channels each.
    with pytest.raises(ValueError, match=r"'log'.* 64 of 512 values"):
        check_finite(model, images)


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_no_file_is_written_from_such_a_model(format, tmp_path):
    from kerastl import export

    model, backbone = build()
    kernel = backbone.get_layer("conv").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    write = {"tflite": export.to_tflite, "onnx": export.to_onnx}[format]
    with pytest.raises(ValueError, match="'backbone/conv'"):
        write(model, tmp_path / f"model.{format}", "float32")
    assert not any(tmp_path.iterdir())
