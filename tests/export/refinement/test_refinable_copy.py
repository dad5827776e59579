import keras
import numpy as np
import pytest
from keras import layers

from kerastl import export
from kerastl.export.refinement.refinable_copy import find_pixels
from kerastl.export.refinement.refinable_copy import offset_to_levels
from kerastl.export.refinement.refinable_copy import pixel_kernel
from kerastl.export.refinement.refine import refine

BYTES = np.arange(768, dtype="float32").reshape(1, 16, 16, 3) % 256


@pytest.mark.parametrize(
    "scale, offset", [(1 / 127.5, -1.0), ([0.1, 0.2, 0.3], [-1.0, 0.0, 2.0])]
)
def test_computes_what_the_rescaling_does(scale, offset):
    layer = layers.Rescaling(scale, offset)
    np.testing.assert_allclose(
        pixel_kernel(layer, 3)(BYTES), layer(BYTES), atol=1e-5
    )


@pytest.mark.parametrize(
    "scale, offset, distance",
    [
        (1 / 127.5, -1.0, 0.5 / 127.5),
        (1 / 255, 0.0, 0.0),
        (2 / 255, -1.0, 1 / 255),
        (1.0, -100.25, 0.25),
        ([1.0, 1.0, 2.0], [-0.5, -0.5, -0.5], 0.0),
    ],
)
def test_moves_zero_to_the_nearest_byte(scale, offset, distance):
    kernel = pixel_kernel(layers.Rescaling(scale, offset), 3)
    assert offset_to_levels(kernel) == pytest.approx(distance, abs=1e-6)


@pytest.mark.tensorflow_only
def test_all_bytes_stay_apart_in_a_tflite_file(tmp_path):
    """A product and a sum, padded, leave two thirds of them."""
    inputs = keras.Input((16, 16, 1))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    x = layers.Flatten()(layers.ZeroPadding2D(1)(x))
    model = keras.Model(inputs, x)
    images = np.arange(256, dtype="float32").reshape(1, 16, 16, 1)
    images = np.repeat(images, 20, axis=0)
    refined, [record], _ = refine(
        model, images[:16], images[16:], ("pixels", "bias")
    )
    assert record.done == ["pixels"]
    values = {}
    for name, each in (("plain", model), ("refined", refined)):
        path = tmp_path / f"{name}.tflite"
        with pytest.warns(UserWarning, match="Only 20 images"):
            export.to_tflite(each, path, calibration=images, refine="none")
        outputs = export.load(path).predict(images[:1]).reshape(18, 18)
        values[name] = np.unique(outputs[1:-1, 1:-1])
    assert len(values["plain"]) < 200
    assert len(values["refined"]) == 256
    np.testing.assert_allclose(
        values["refined"], (np.arange(256) - 127) / 127.5, atol=1e-5
    )


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    "offset, padding, is_kernel",
    [(-1.0, "same", True), (0.0, "same", False), (-1.0, "valid", False)],
)
def test_a_scaling_that_the_converter_folds_is_no_kernel(
    offset, padding, is_kernel, tmp_path
):
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 127.5, offset, name="scaled")(inputs)
    x = layers.Conv2D(4, 3, padding=padding)(x)
    model = keras.Model(inputs, layers.Flatten()(x))
    assert find_pixels(model) == ("scaled" if is_kernel else None)
    images = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3))
    images = images.astype("float32")
    refined, _, _ = refine(model, images[:48], images[48:], ("pixels", "bias"))
    plain, found = (
        export.to_tflite(
            each,
            tmp_path / f"{name}.tflite",
            calibration=images,
            refine="none",
        )
        for name, each in (("plain", model), ("refined", refined))
    )
    fewer = sum(plain.ops.values()) - sum(found.ops.values())
    assert fewer == (1 if is_kernel else 0)
