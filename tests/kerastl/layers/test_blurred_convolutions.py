"""Convolutions that carry a blur, against loops over a map with zeros."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.layers import BlurredConv2D
from kerastl.layers import BlurredDepthwiseConv2D
from kerastl.layers import BlurredSeparableConv2D
from kerastl.layers.sum_of_shifts import summing_shifts

CHANNELS = 4
MARGIN = 24
TAPS = {1: [1], 2: [1, 1], 3: [1, 2, 1], 4: [1, 3, 3, 1], 5: [1, 4, 6, 4, 1]}
CLASSES = {
    "conv": lambda **options: BlurredConv2D(6, **options),
    "grouped": lambda **options: BlurredConv2D(6, groups=2, **options),
    "depthwise": BlurredDepthwiseConv2D,
    "separable": lambda **options: BlurredSeparableConv2D(5, **options),
}


def grid(size, window, stride, padding, zeros):
    """First pixel of each window of a Keras convolution, and their number."""
    if padding == "valid":
        size = size + sum(zeros)
        return -zeros[0], (size - window) // stride + 1
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + window - size, 0)
    return -(total // 2), outputs


def window_sum(kind, window, weights):
    """What a layer without bias gives for one window of the map."""
    if kind == "conv":
        return np.einsum("bijc,ijcf->bf", window, weights[0])
    if kind == "grouped":
        halves = np.split(window, 2, -1)
        kernels = np.split(weights[0], 2, -1)
        return np.concatenate(
            [
                np.einsum("bijc,ijcf->bf", half, kernel)
                for half, kernel in zip(halves, kernels, strict=True)
            ],
            -1,
        )
    found = np.einsum("bijc,ijcm->bcm", window, weights[0])
    found = found.reshape(len(window), -1)
    return found @ weights[1][0, 0] if kind == "separable" else found


def dense_then_blur(kind, layer, x, taps, padding, zeros=((0, 0), (0, 0))):
    """The dense convolution, blurred, at the pixels of the strided one."""
    *weights, bias = [np.float64(weight) for weight in layer.get_weights()]
    width = [(0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)]
    padded = np.pad(np.float64(x), width)
    rows, columns = layer.kernel_size
    (top, height), (left, breadth) = (
        grid(size, window, stride, padding, pair)
        for size, window, stride, pair in zip(
            x.shape[1:3], layer.kernel_size, layer.strides, zeros, strict=True
        )
    )
    row = np.array(TAPS[taps]) / sum(TAPS[taps])
    result = []
    for i in range(height):
        for j in range(breadth):
            total = 0
            for a, down in enumerate(row):
                for b, across in enumerate(row):
                    y = MARGIN + top + i * layer.strides[0] + a
                    z = MARGIN + left + j * layer.strides[1] + b
                    y, z = y - (taps - 1) // 2, z - (taps - 1) // 2
                    window = padded[:, y : y + rows, z : z + columns]
                    total += down * across * window_sum(kind, window, weights)
            result.append(total + bias)
    shape = (height, breadth, len(x), -1)
    return np.stack(result).reshape(shape).transpose(2, 0, 1, 3)


def built(kind, seed=0, **options):
    layer = CLASSES[kind](name="down", **options)
    layer.build((None, 12, 12, CHANNELS))
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    return layer


def images(height, width, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, height, width, CHANNELS)).astype("float32")


def run(layer, x):
    return ops.convert_to_numpy(layer(x))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("kind", CLASSES)
def test_it_is_the_dense_convolution_blurred_and_skipped(kind, padding):
    """Also on the border, where both read zeros, and with every phase."""
    for taps in TAPS:
        for window, strides in ((3, 2), (2, 2), (4, 3), (2, 3), (5, 2)):
            layer = built(
                kind,
                kernel_size=window,
                strides=strides,
                padding=padding,
                blur_size=taps,
            )
            for size in ((8, 9), (13, 12)):
                x = images(*size)
                expected = dense_then_blur(kind, layer, x, taps, padding)
                y = run(layer, x)
                np.testing.assert_allclose(y, expected, atol=2e-4)
                assert layer.compute_output_shape(x.shape) == y.shape


@pytest.mark.parametrize("zeros", [((0, 1), (0, 1)), ((1, 1), (2, 3))])
@pytest.mark.parametrize("size", [10, 11])
def test_it_takes_over_the_zeros_before_it(zeros, size):
    layer = built("depthwise", kernel_size=3, strides=2, zero_padding=zeros)
    x = images(size, size)
    expected = dense_then_blur("depthwise", layer, x, 3, "valid", zeros)
    np.testing.assert_allclose(run(layer, x), expected, atol=1e-4)


def test_the_convolution_pads_by_itself_where_it_can():
    """Then it is one operation, with no padding before it."""
    correct = ((0, 1), (0, 1))
    for zeros, size, padding in (
        (correct, 10, "same"),
        (((1, 1), (1, 1)), 11, "same"),
        (correct, 11, "valid"),
        (((0, 0), (0, 0)), 10, "valid"),
    ):
        layer = built("conv", kernel_size=3, strides=2, zero_padding=zeros)
        assert layer.placement((None, size, size, CHANNELS))[0] == padding
    layer = built("conv", kernel_size=3, strides=2, padding="same")
    assert layer.placement((None, None, 10, CHANNELS))[0] == "same"
    explicit = layer.placement((None, 10, 11, CHANNELS), explicit=True)
    assert explicit == ("valid", ((1, 2), (2, 2)))


def test_strides_and_taps_of_one_axis():
    layer = BlurredConv2D(
        3, (3, 2), strides=(2, 1), blur_size=(3, 1), padding="same"
    )
    x = images(8, 7)
    y = run(layer, x)
    plain = layers.Conv2D(3, (3, 2), padding="same")
    plain.build(x.shape)
    plain.set_weights(layer.get_weights())
    # From row 0 on the dense map starts one row above the strided one.
    dense = run(plain, np.pad(x, [(0, 0), (2, 3), (0, 0), (0, 0)]))
    blurred = (dense[:, 2:-2] + 2 * dense[:, 3:-1] + dense[:, 4:]) / 4
    np.testing.assert_allclose(y, blurred[:, 0:8:2], atol=1e-5)


def test_the_sum_of_shifts_has_the_same_values_and_gradients():
    layer = built("depthwise", kernel_size=3, strides=2, padding="same")
    x = images(9, 10)
    expected = run(layer, x)
    with summing_shifts([layer]):
        np.testing.assert_allclose(run(layer, x), expected, atol=1e-5)


def test_unknown_sizes_give_the_values_of_known_ones():
    for padding in ("valid", "same"):
        layer = built("conv", kernel_size=3, strides=2, padding=padding)
        inputs = keras.Input((None, None, CHANNELS))
        model = keras.Model(inputs, layer(inputs))
        assert model.output_shape == (None, None, None, 6)
        x = images(11, 14)
        np.testing.assert_allclose(run(model, x), run(layer, x), atol=1e-5)


@pytest.mark.tensorflow_only
def test_channels_first_is_the_same_transposed():
    # TensorFlow's processor kernels know channels last only.
    layer = built("conv", kernel_size=3, strides=2, padding="same")
    first = BlurredConv2D(
        6, 3, strides=2, padding="same", data_format="channels_first"
    )
    shape = (None, CHANNELS, 10, 11)
    assert first.compute_output_shape(shape) == (None, 6, 5, 6)
    assert first.placement(shape) == layer.placement((None, 10, 11, CHANNELS))


def test_half_precision_keeps_the_factors():
    layer = built(
        "conv",
        kernel_size=3,
        strides=2,
        padding="same",
        dtype="mixed_float16",
        blur_size=5,
    )
    x = images(8, 8)
    y = run(layer, x)
    assert y.dtype == "float16"
    expected = dense_then_blur("conv", layer, x, 5, "same")
    np.testing.assert_allclose(y, expected, rtol=0.01, atol=0.05)


def test_a_fresh_process_loads_it(tmp_path, run_in_fresh_process):
    inputs = keras.Input((12, 12, CHANNELS))
    x = built("conv", kernel_size=3, strides=2, zero_padding=((0, 1), (0, 1)))(
        inputs
    )
    depthwise = BlurredDepthwiseConv2D(3, 2, padding="same", blur_size=5)
    x = BlurredSeparableConv2D(4, 2, 2, padding="same")(depthwise(x))
    model = keras.Model(inputs, x)
    x = images(12, 12)
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=x, y=run(model, x))
    output = run_in_fresh_process(
        f"""
        import keras, numpy as np
        import kerastl
        model = keras.models.load_model({str(tmp_path / "model.keras")!r})
        data = np.load({str(tmp_path / "data.npz")!r})
        y = keras.ops.convert_to_numpy(model(data["x"]))
        print(np.abs(y - data["y"]).max() < 1e-6)
        print([layer.blur_size for layer in model.layers[1:]])
        """
    )
    assert output.split("\n")[:2] == ["True", "[(3, 3), (5, 5), (3, 3)]"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blur_size": 8}, "blur_size.*from 1 to 7.*Received: blur_size=8"),
        ({"zero_padding": 1}, "zero_padding.*Received: zero_padding=1"),
        (
            {"zero_padding": ((0, -1), (0, 0))},
            "zero_padding.*of at least 0",
        ),
        (
            {"padding": "same", "zero_padding": ((0, 1), (0, 1))},
            "pads its map already.*padding='valid'",
        ),
        ({"strides": 1, "dilation_rate": 2}, "dilated.*dilation_rate=1"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        BlurredConv2D(2, 3, **{"strides": 2, **options})


def test_a_border_that_depends_on_an_unknown_size_is_refused():
    layer = BlurredConv2D(2, 2, strides=3, padding="same")
    with pytest.raises(ValueError, match="size of its map.*strides=\\(3, 3\\)"):
        layer(keras.Input((None, None, CHANNELS)))


def test_gradients_reach_the_small_kernel():
    """With the blur's transpose, as finite differences say."""
    layer = built("depthwise", kernel_size=3, strides=2, padding="same")
    x = images(6, 6)
    kernel = layer.get_weights()[0]
    rng = np.random.default_rng(3)
    direction = rng.normal(size=kernel.shape)
    target = rng.normal(size=(2, 3, 3, CHANNELS)).astype("float32")

    def loss(step):
        layer.kernel.assign(kernel + step * direction)
        return float(np.sum(np.float64(run(layer, x)) * target))

    expected = (loss(0.5) - loss(-0.5)) / 1.0  # it is linear in the kernel
    layer.kernel.assign(kernel)
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    model.compile(
        keras.optimizers.SGD(1.0),
        loss=lambda y, z: ops.sum(y * z) / 2,
        jit_compile=False,
    )
    model.fit(x, target, batch_size=2, epochs=1, verbose=0)
    change = kernel - layer.get_weights()[0]
    found = 2 * float(np.sum(np.float64(change) * direction))
    assert found == pytest.approx(expected, rel=1e-3)
    assert kerastl.count_multiply_adds(model) == 3 * 3 * CHANNELS * 25
