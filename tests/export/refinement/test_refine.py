"""What refined networks compute, and what their files hold."""

import keras
import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from onnx import numpy_helper

import kerastl
from kerastl import export
from kerastl.export.refinement.refine import refine
from kerastl.surgery import graph

pytestmark = pytest.mark.tensorflow_only

SIZE = 12
STEPS = ("rounding", "bias")
NOISE = np.random.default_rng(0)
IMAGES = NOISE.uniform(0, 255, (60, SIZE, SIZE, 3)).astype("float32")
IMAGES[0].flat[:2] = 0, 255


def with_statistics(model):
    """Gives every normalization statistics and factors of its own."""
    generator = np.random.default_rng(1)
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            size = layer.moving_mean.shape
            layer.set_weights(
                [
                    generator.uniform(0.3, 2, size)
                    * generator.choice([-1, 1], size),
                    generator.normal(0, 0.3, size),
                    generator.normal(0, 0.3, size),
                    generator.uniform(0.2, 2, size),
                ][-len(layer.weights) :]
            )
    return model


def make_network():
    """Nested, with every kind of kernel and of place for a bias."""
    inputs = keras.Input((6, 6, 16))
    x = layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, name="depthwise"
    )(inputs)
    x = layers.BatchNormalization(name="depthwise_bn")(x)
    x = layers.ReLU(6.0)(x)
    x = layers.Conv2D(16, 1, use_bias=False, name="project")(x)
    block = keras.Model(inputs, layers.Add()([inputs, x]), name="block")
    images = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(images)
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.Activation("silu")(x)
    x = kerastl.layers.BlurPooling2D(3, name="blur")(x)
    x = block(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(16, 1, activation="hard_sigmoid", name="gate")(gate)
    x = layers.Multiply()([x, gate])
    x = layers.SeparableConv2D(
        24, 3, activation="relu", use_bias=False, name="apart"
    )(x)
    x = layers.GlobalAveragePooling2D()(x)
    return with_statistics(
        keras.Model(
            images, layers.Dense(5, activation="softmax", name="head")(x)
        )
    )


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    return make_network()


@pytest.fixture(scope="module")
def refined(network):
    return refine(network, IMAGES[:48], IMAGES[48:], STEPS)


def layer_of(model, path):
    [layer] = {
        id(node.operation): node.operation
        for _, node in graph.walk(model)
        if node.path == path
    }.values()
    return layer


def test_every_kernel_is_refined_and_named_by_its_path(refined):
    _, records, _ = refined
    assert [each.layer for each in records] == [
        "stem",
        "block/depthwise",
        "block/project",
        "gate",
        "apart_depthwise",
        "apart",
        "head",
    ]
    for record in records:
        assert record.done or set(record.left) == set(STEPS)
        assert {*record.done, *record.left} == set(STEPS)
        assert record.errors["bias"] <= record.plain_error
    gains = [each.plain_error / each.errors["bias"] for each in records]
    assert np.median(gains) > 1.3


def test_the_network_itself_is_not_changed_and_the_answers_hardly(
    network, refined
):
    keras.utils.set_random_seed(3)
    for ours, fresh in zip(
        network.get_weights(), make_network().get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, fresh)
    before, after = (
        keras.ops.convert_to_numpy(model(IMAGES))
        for model in (network, refined[0])
    )
    assert 1e-6 < np.abs(before - after).max() < 0.02


def chosen_integers(model, records):
    """The levels of every kernel, with the sign that its file gives them."""
    found, rounded = {}, 0
    done = {each.layer: each.done for each in records}
    for path in ("stem", "block/depthwise", "block/project", "gate", "head"):
        layer = layer_of(model, path)
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        if "depthwise" in path:
            kernel = kernel[..., 0]
        signs = np.ones(kernel.shape[-1])
        if path in ("stem", "block/depthwise"):
            signs = np.sign(layer_of(model, f"{path}_bn").gamma.numpy())
        axes = tuple(range(kernel.ndim - 1))
        levels = kernel * 127 / np.abs(kernel).max(axes)
        if "rounding" in done[path]:
            rounded += 1
            np.testing.assert_allclose(levels, np.rint(levels), atol=1e-3)
        found[path] = (np.rint(levels) * signs).astype("int8")
    assert rounded >= 3
    return found


def assert_all_found(integers, arrays):
    for path, levels in integers.items():
        assert any(
            array.shape == levels.shape and np.array_equal(array, levels)
            for array in arrays
        ), path


def test_the_tflite_file_has_the_integers_that_were_chosen(refined, tmp_path):
    model, records, _ = refined
    path = tmp_path / "a.tflite"
    export.to_tflite(model, path, calibration=IMAGES, refine="none")
    opened = Interpreter(str(path))
    opened.allocate_tensors()
    arrays = []
    for details in opened.get_tensor_details():
        if details["dtype"] == np.int8 and len(details["shape"]) in (2, 4):
            try:
                array = opened.get_tensor(details["index"])
            except ValueError:  # no constant
                continue
            if array.ndim == 2:
                arrays.append(array.T)
            else:
                arrays += [array.transpose(1, 2, 3, 0), array[0]]
    assert_all_found(chosen_integers(model, records), arrays)


def test_the_onnx_file_has_the_integers_that_were_chosen(refined, tmp_path):
    model, records, _ = refined
    path = tmp_path / "a.onnx"
    export.to_onnx(model, path, calibration=IMAGES, refine="none")
    arrays = []
    for constant in onnx.load(path).graph.initializer:
        array = numpy_helper.to_array(constant)
        if array.dtype == np.int8 and array.ndim == 4:
            arrays += [
                array.transpose(2, 3, 1, 0),
                array[:, 0].transpose(1, 2, 0),
            ]
        elif array.dtype == np.int8:
            arrays.append(array)
    assert_all_found(chosen_integers(model, records), arrays)


def test_means_of_the_outputs_are_those_of_the_float_network():
    """One convolution: its bias takes out the mean error of its weights."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(6, 5, use_bias=False, name="conv")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, x)
    model.layers[1].kernel.assign(
        np.random.default_rng(5).standard_t(2, (5, 5, 3, 6))
    )
    copy, [record], _ = refine(model, IMAGES, IMAGES, ("bias",))
    assert record.done == ["bias"]
    layer = copy.get_layer("conv")
    kernel = keras.ops.convert_to_numpy(model.get_layer("conv").kernel)
    np.testing.assert_array_equal(layer.kernel, kernel)
    scales = np.abs(kernel).max((0, 1, 2)) / 127
    nearest = (np.rint(kernel / scales) * scales).astype("float32")
    levels = np.rint(IMAGES)
    expected = keras.ops.conv(IMAGES, kernel) - keras.ops.conv(levels, nearest)
    np.testing.assert_allclose(
        layer.bias, np.mean(expected, (0, 1, 2)), rtol=2e-2, atol=2e-3
    )


def one_kernel(**options):
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(32, 3, name="conv", **options)(inputs)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return keras.Model(inputs, layers.Dense(4, name="head")(x))


@pytest.mark.parametrize(
    "steps, moved", [(("pixels",), 0.0), (("pixels", "bias"), 0.5 / 127.5)]
)
def test_scaled_bytes_are_moved_where_a_bias_can_follow(steps, moved):
    """127.5, which becomes zero, lies halfway between two bytes."""
    images = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(images)
    x = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    model = keras.Model(images, layers.GlobalAveragePooling2D()(x))
    found, records, _ = refine(model, IMAGES[:48], IMAGES[48:], steps)
    scale, offset = found.get_layer("rescale").get_weights()
    np.testing.assert_allclose(scale.ravel(), 1 / 127.5, rtol=1e-6)
    np.testing.assert_allclose(offset, -1 + moved, atol=1e-6)
    assert records[0].done == ["pixels"]


def test_pruned_weights_stay_zero():
    model = one_kernel()
    conv = model.get_layer("conv")
    kernel = conv.kernel.numpy()
    kernel[np.abs(kernel) < np.median(np.abs(kernel))] = 0
    conv.kernel.assign(kernel)
    copy, records, _ = refine(model, IMAGES, IMAGES, STEPS)
    assert "rounding" in records[0].done
    np.testing.assert_array_equal(
        copy.get_layer("conv").kernel.numpy() == 0, kernel == 0
    )


def test_clustered_weights_keep_their_values_and_get_a_bias():
    model = one_kernel()
    conv = model.get_layer("conv")
    kernel = np.round(conv.kernel.numpy() * 30) / 30
    conv.kernel.assign(kernel)
    copy, records, _ = refine(model, IMAGES, IMAGES, STEPS)
    assert records[0].left == {"rounding": "its weights are clustered"}
    assert records[0].done == ["bias"]
    np.testing.assert_array_equal(copy.get_layer("conv").kernel, conv.kernel)


def test_a_layer_that_is_called_twice_is_left_and_named():
    inputs = keras.Input((SIZE, SIZE, 3))
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    x = shared(layers.ReLU()(shared(inputs)))
    x = layers.Conv2DTranspose(4, 2, name="up")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(4, name="head")(x))
    copy, records, _ = refine(model, IMAGES, IMAGES, STEPS)
    left = {each.layer: each.left for each in records if each.left}
    assert left["shared"] == dict.fromkeys(STEPS, "it is called more than once")
    assert left["up"] == dict.fromkeys(
        STEPS, "it has no 8-bit form that is known"
    )
    for name in ("shared", "up"):
        np.testing.assert_array_equal(
            copy.get_layer(name).kernel, model.get_layer(name).kernel
        )
    assert records[2].layer == "head" and records[2].done


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_separable_convolution_that_is_called_twice(use_bias):
    keras.utils.set_random_seed(5)
    inputs = keras.Input((SIZE, SIZE, 3))
    shared = layers.SeparableConv2D(
        3, 3, padding="same", use_bias=use_bias, name="shared"
    )
    x = shared(layers.ReLU()(shared(layers.Rescaling(1 / 255)(inputs))))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(4, name="head")(x))
    copy, records, _ = refine(model, IMAGES, IMAGES, STEPS)
    assert type(copy.get_layer("shared")) is layers.Conv2D
    assert type(copy.get_layer("shared_depthwise")) is layers.DepthwiseConv2D
    left = {each.layer: each.left for each in records if each.left}
    for name in ("shared", "shared_depthwise"):
        assert set(left[name].values()) == {"it is called more than once"}
    before, after = (
        keras.Model(each.inputs, each.get_layer("head").input)
        for each in (model, copy)
    )
    np.testing.assert_allclose(before(IMAGES), after(IMAGES), atol=1e-5)


def test_dead_channels_and_constant_images():
    model = one_kernel()
    conv = model.get_layer("conv")
    kernel = conv.kernel.numpy()
    kernel[..., ::2] = 0
    conv.kernel.assign(kernel)
    black = np.zeros_like(IMAGES)
    copy, *_ = refine(model, black, black, STEPS)
    np.testing.assert_array_equal(
        copy.get_layer("conv").kernel.numpy()[..., ::2], 0
    )
    np.testing.assert_allclose(copy(IMAGES), model(IMAGES), rtol=0.05, atol=0.5)


def test_what_nan_reaches_is_left_and_named():
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(3, 3, name="before")(inputs)
    x = keras.ops.sqrt(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="behind")(x))
    model = keras.Model(inputs, x)
    copy, records, _ = refine(model, IMAGES, IMAGES, STEPS)
    assert records[0].done
    assert records[1].left == dict.fromkeys(
        STEPS, "NaN or infinite values reach it"
    )
    np.testing.assert_array_equal(
        copy.get_layer("behind").kernel, model.get_layer("behind").kernel
    )


def test_each_output_keeps_the_rounding_that_is_better_on_images_held_out():
    """Without a bias the mean of its errors counts as their spread does."""
    generator = np.random.default_rng(4)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((2, 2, 3))
    outputs = layers.Dense(24, name="head")(layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    images = generator.normal(1, 1, (24, 2, 2, 3)).astype("float32")
    held = images[16:].reshape(8, -1).astype("float64")
    refined, [record], _ = refine(
        model, images[:16], images[16:], ("rounding",), rounds=False
    )
    weights = model.get_layer("head").get_weights()[0]
    found = refined.get_layer("head").get_weights()[0]
    scales = np.abs(weights).max(0) / 127
    nearest = np.round(weights / scales) * scales

    def errors(rounded):
        return np.square(held @ (rounded - weights)).mean(0)

    moved = (np.abs(found - nearest) > 1e-3 * scales).any(0)
    assert 0 < moved.sum() < 24
    assert np.all(errors(found)[moved] < errors(nearest)[moved])
    # The errors in the record are shares of what the layer says.
    power = np.square(held @ weights).mean(0).sum()
    assert record.plain_error == pytest.approx(
        errors(nearest).sum() / power, rel=1e-3
    )
    assert record.errors["rounding"] == pytest.approx(
        errors(found).sum() / power, rel=1e-3
    )
