"""Networks with loops: what TensorFlow's calibrator cannot measure."""

import keras
import numpy as np
import pytest

from kerastl import export

pytestmark = pytest.mark.tensorflow_only


class EachImage(keras.layers.Layer):
    def call(self, images):
        return keras.ops.map(lambda image: 2.0 * image, images)


class Halves(keras.layers.Layer):
    """A loop that collects nothing."""

    def call(self, x):
        return keras.ops.fori_loop(0, 3, lambda step, value: value / 2 + 1, x)


def rows(recurrent):
    """The network that reads an image's rows one after another."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = recurrent(keras.layers.Reshape((8, 24))(x))
    return keras.Model(inputs, keras.layers.Dense(3, "softmax")(x))


def maps(layer):
    inputs = keras.Input((8, 8, 3))
    x = layer(keras.layers.Conv2D(4, 3)(inputs))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, "softmax")(x))


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(0)
    return generator.uniform(0, 255, (64, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize(
    "model, layer",
    [
        (lambda: rows(keras.layers.LSTM(4, name="over_rows")), "over_rows"),
        (
            lambda: rows(
                keras.layers.Bidirectional(
                    keras.layers.GRU(4), name="both_ways"
                )
            ),
            "both_ways",
        ),
        (lambda: maps(EachImage(name="each")), "each"),
    ],
)
def test_a_loop_that_collects_is_refused(
    model, layer, scheme, images, tmp_path
):
    with pytest.raises(ValueError, match=rf"made by: {layer}\).*unroll=True"):
        export.to_tflite(
            model(), tmp_path / "a.tflite", scheme=scheme, calibration=images
        )
    assert not list(tmp_path.iterdir())


def test_the_same_weights_unrolled_are_taken(images, tmp_path):
    looped = rows(keras.layers.LSTM(4))
    unrolled = rows(keras.layers.LSTM(4, unroll=True))
    unrolled.set_weights(looped.get_weights())
    exact = export.to_tflite(
        looped, tmp_path / "f.tflite", scheme="float32", evaluation=images
    )
    assert exact.max_abs_difference < 1e-5
    report = export.to_tflite(
        unrolled,
        tmp_path / "a.tflite",
        scheme="int8",
        calibration=images,
        evaluation=images,
    )
    assert report.mean_abs_difference < 0.02
    difference = export.load(tmp_path / "a.tflite").predict(
        images
    ) - looped.predict(images, verbose=0)
    assert np.abs(difference).mean() < 0.02


def test_a_loop_that_collects_nothing_is_taken(images, tmp_path):
    report = export.to_tflite(
        maps(Halves()),
        tmp_path / "a.tflite",
        scheme="int8",
        calibration=images,
        evaluation=images,
    )
    assert report.mean_abs_difference < 0.02
