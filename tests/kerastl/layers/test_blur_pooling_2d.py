"""BlurPooling2D against loops over `np.pad`, and where it has to live."""

import keras
import numpy as np
import pytest
from keras import ops

from kerastl.layers import BlurPooling2D
from kerastl.layers.sum_of_shifts import summing_shifts

TAPS = {
    1: [1],
    2: [1, 1],
    3: [1, 2, 1],
    4: [1, 3, 3, 1],
    5: [1, 4, 6, 4, 1],
    6: [1, 5, 10, 10, 5, 1],
    7: [1, 6, 15, 20, 15, 6, 1],
}
SAME_WINDOW = {"window_size": 3, "window_padding": "same"}
MODES = {"reflect": "reflect", "edge": "edge", "zeros": "constant"}


def blur_axis(x, axis, taps, strides, border, window=1, window_padding="valid"):
    """Weighted sums around every window centre, one output at a time."""
    size = x.shape[axis]
    if window_padding == "same":
        outputs = int(np.ceil(size / strides))
        total = max((outputs - 1) * strides + window - size, 0)
        first_pixel = -(total // 2)
    else:
        outputs = (size - window) // strides + 1
        first_pixel = 0
    margin = 30
    if border == "reflect" and size <= margin:
        margin = min(margin, size - 1)
    widths = [(0, 0)] * x.ndim
    widths[axis] = (margin, margin)
    padded = np.moveaxis(np.pad(x, widths, mode=MODES[border]), axis, 0)
    weights = np.array(TAPS[taps]) / sum(TAPS[taps])
    result = []
    for i in range(outputs):
        # The pixel at the centre of the window, or the one left of it.
        centre = i * strides + first_pixel + (window - 1) // 2
        start = margin + centre - (taps - 1) // 2
        window_pixels = padded[start : start + taps]
        result.append(np.tensordot(weights, window_pixels, axes=1))
    return np.moveaxis(np.stack(result), 0, axis)


def blur(x, taps, strides, border, window=1, window_padding="valid"):
    for axis in (1, 2):
        x = blur_axis(x, axis, taps, strides, border, window, window_padding)
    return x


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("taps", TAPS)
def test_values_for_all_strides_and_sizes(taps, border):
    for strides in (1, 2, 3):
        for size in ((8, 9), (13, 12)):
            x = np.random.default_rng(0).normal(size=(2, *size, 3))
            layer = BlurPooling2D(taps, strides, border)
            y = ops.convert_to_numpy(layer(x.astype("float32")))
            expected = blur(x, taps, strides, border)
            np.testing.assert_allclose(y, expected, atol=1e-6)
            assert layer.compute_output_shape(x.shape) == y.shape


@pytest.mark.parametrize("window_padding", ["valid", "same"])
@pytest.mark.parametrize("border", MODES)
def test_values_on_the_grid_of_a_window(border, window_padding):
    rng = np.random.default_rng(1)
    for taps in TAPS:
        for window in (2, 3, 5, 7):
            strides = int(rng.integers(1, 4))
            for size in ((10, 11), (13, 16)):
                x = rng.normal(size=(1, *size, 2))
                layer = BlurPooling2D(
                    taps, strides, border, window, window_padding
                )
                y = ops.convert_to_numpy(layer(x.astype("float32")))
                expected = blur(
                    x, taps, strides, border, window, window_padding
                )
                np.testing.assert_allclose(y, expected, atol=1e-6)
                assert layer.compute_output_shape(x.shape) == y.shape


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("window_padding", ["valid", "same"])
@pytest.mark.parametrize("border", MODES)
def test_unknown_size_gives_the_values_of_the_known_one(border, window_padding):
    import tensorflow as tf

    for taps, strides, window in ((1, 2, 3), (3, 2, 3), (4, 2, 2), (7, 3, 5)):
        layer = BlurPooling2D(taps, strides, border, window, window_padding)
        traced = tf.function(
            layer, input_signature=[tf.TensorSpec((None, None, None, 2))]
        )
        assert layer.compute_output_shape((None, None, None, 2)) == (
            None,
            None,
            None,
            2,
        )
        for size in ((12, 13), (14, 11)):
            x = np.random.default_rng(2).normal(size=(2, *size, 2))
            x = x.astype("float32")
            np.testing.assert_allclose(traced(x), layer(x), atol=1e-6)


def test_one_tap_is_the_bare_subsampling_of_the_window():
    x = np.arange(2 * 9 * 10 * 1.0).reshape(2, 9, 10, 1).astype("float32")
    y = BlurPooling2D(1, 2)(x)
    np.testing.assert_array_equal(y, x[:, ::2, ::2])
    # TensorFlow's SAME window of 3 is centred on 1, 3, ... when the size is
    # even and on 0, 2, ... when it is odd.
    y = BlurPooling2D(1, 2, window_size=3, window_padding="same")(x)
    np.testing.assert_array_equal(y, x[:, ::2, 1::2])


def test_pairs_treat_the_axes_apart():
    x = np.random.default_rng(3).normal(size=(1, 9, 10, 2))
    layer = BlurPooling2D((3, 4), (1, 2), window_size=(1, 2))
    expected = blur_axis(x, 1, 3, 1, "reflect")
    expected = blur_axis(expected, 2, 4, 2, "reflect", window=2)
    np.testing.assert_allclose(layer(x.astype("float32")), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(8, 9), (None, None)])
def test_channels_first_has_the_transposed_shape(size):
    layer = BlurPooling2D(3, 2, data_format="channels_first")
    shape = layer.compute_output_shape((2, 3, *size))
    assert shape == ((2, 3, 4, 5) if size[0] else (2, 3, None, None))


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="TensorFlow has no channels_first convolution on a CPU",
)
def test_channels_first_has_the_transposed_values():
    x = np.random.default_rng(4).normal(size=(2, 8, 9, 3)).astype("float32")
    last = BlurPooling2D(5, 2, window_size=3, window_padding="same")
    first = BlurPooling2D.from_config(
        {**last.get_config(), "data_format": "channels_first"}
    )
    y = ops.convert_to_numpy(first(np.transpose(x, (0, 3, 1, 2))))
    np.testing.assert_allclose(
        np.transpose(y, (0, 2, 3, 1)), last(x), atol=1e-6
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    layer = BlurPooling2D(7, 2, dtype=policy)
    # The taps of all sizes are exact in both types, so a constant stays one.
    y = layer(np.full((1, 8, 8, 2), 3.0, "float32"))
    assert keras.backend.standardize_dtype(y.dtype) == policy[len("mixed_") :]
    np.testing.assert_array_equal(ops.cast(y, "float32"), 3.0)


def test_it_has_no_weights_and_survives_its_config():
    layer = BlurPooling2D(4, (2, 3), "edge", 2, "same", name="blur")
    x = np.random.default_rng(5).normal(size=(1, 8, 9, 2)).astype("float32")
    clone = BlurPooling2D.from_config(layer.get_config())
    assert clone.get_config() == layer.get_config()
    np.testing.assert_array_equal(clone(x), layer(x))
    assert not clone.variables
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert restored.get_config() == layer.get_config()


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("border", MODES)
def test_gradient_is_the_transposed_blur(border, jit_compile):
    import tensorflow as tf

    layer = BlurPooling2D(3, 2, border, 3, "same")
    rng = np.random.default_rng(6)
    x = rng.normal(size=(1, 6, 7, 1)).astype("float32")
    direction = rng.normal(size=(1, 6, 7, 1)).astype("float32")
    weights = rng.normal(size=layer.compute_output_shape(x.shape))

    @tf.function(jit_compile=jit_compile)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) * weights.astype("float32"))
        return tape.gradient(loss, x)

    # The layer is linear, so the directional derivative is exact.
    expected = np.sum(
        blur(direction.astype("float64"), 3, 2, border, 3, "same") * weights
    )
    actual = np.sum(gradient(tf.constant(x)).numpy() * direction)
    np.testing.assert_allclose(actual, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 0}, "`kernel_size` must be an integer from 1 to 7"),
        ({"kernel_size": 8}, "kernel_size=8"),
        ({"kernel_size": 3.0}, "kernel_size=3.0"),
        ({"kernel_size": True}, "kernel_size=True"),
        ({"kernel_size": (3, 3, 3)}, "or a pair of them"),
        ({"strides": 0}, "`strides` must be an integer of 1 or more"),
        ({"padding": "same"}, "`padding` must be one of"),
        ({"window_size": -1}, "`window_size`"),
        ({"window_padding": "reflect"}, "`window_padding` must be one of"),
        ({"data_format": "NHWC"}, "`data_format` must be one of"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BlurPooling2D(**arguments)


def test_a_map_too_small():
    layer = BlurPooling2D(5, name="blur")
    with pytest.raises(ValueError, match="blur.*2 pixel.*padding='edge'"):
        layer(np.zeros((1, 2, 8, 1), "float32"))
    layer = BlurPooling2D(3, window_size=4, name="blur")
    with pytest.raises(ValueError, match="does not fit.*size=3"):
        layer(np.zeros((1, 8, 3, 1), "float32"))
    for border in ("edge", "zeros"):
        y = BlurPooling2D(7, 2, border)(np.ones((1, 1, 2, 1), "float32"))
        assert y.shape == (1, 1, 1, 1)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, (5, 4)])
@pytest.mark.parametrize("strides", [1, 2, (3, 2)])
@pytest.mark.parametrize("grid", [{}, {"window_size": 3}, SAME_WINDOW])
def test_sum_of_shifts_has_the_same_numbers(kernel_size, strides, grid):
    images = np.random.default_rng(0).normal(size=(2, 9, 8, 3))
    layer = BlurPooling2D(kernel_size, strides, **grid)
    expected = layer(images)
    with summing_shifts([layer]):
        np.testing.assert_allclose(layer(images), expected, atol=1e-5)
    assert not layer.shifts
