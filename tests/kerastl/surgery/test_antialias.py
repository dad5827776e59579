"""antialias on user-made networks: values, places, training, bad input."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.layers import BlurPooling2D

CNN_SIZE = 17


def small_cnn(size=CNN_SIZE):
    """A nested backbone with every kind of down-sampling, and a head."""
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="stem")(inputs)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(name="stem_relu")(x)
    shortcut = layers.Conv2D(8, 1, strides=2, name="shortcut")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="dw")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="max")(x)
    x = layers.Add(name="add")([x, shortcut])
    x = layers.AveragePooling2D(2, name="average")(x)
    backbone = keras.Model(inputs, x, name="backbone")

    inputs = keras.Input((size, size, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1, name="rescaling")(inputs)
    x = layers.GlobalAveragePooling2D(name="gap")(backbone(x))
    x = layers.Dropout(0.1, name="dropout")(x)
    outputs = layers.Dense(4, activation="softmax", name="head")(x)
    return keras.Model(inputs, outputs, name="small_cnn")


def images(count=4, size=CNN_SIZE, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (count, size, size, 3)).astype("float32")


def predict(model, x):
    return keras.tree.map_structure(ops.convert_to_numpy, model(x))


def by_layer(report):
    return {row.layer: row for row in report.rows}


def test_nested_model_keeps_its_place_names_and_weights(
    randomise, variables_by_layer
):
    model = randomise(small_cnn())
    blurred = kerastl.antialias(model, kernel_size=3, name="blurred")
    assert blurred.name == "blurred"
    assert [layer.name for layer in blurred.layers] == [
        layer.name for layer in model.layers
    ]
    inner = [layer.name for layer in blurred.get_layer("backbone").layers]
    assert inner == [
        "input_layer",
        "stem",
        "stem_bn",
        "stem_relu",
        "stem_blur",
        "dw",
        "max",
        "shortcut_blur",
        "max_blur",
        "shortcut",
        "add",
        "average",
    ]
    backbone = blurred.get_layer("backbone")
    assert isinstance(backbone.get_layer("average"), BlurPooling2D)
    assert backbone.get_layer("average").kernel_size == (4, 4)
    assert backbone.get_layer("stem").strides == (1, 1)
    assert backbone.get_layer("stem_blur").window_size == (3, 3)
    before, after = variables_by_layer(model), variables_by_layer(blurred)
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name])
    # The original is untouched, and nothing is shared.
    assert model.get_layer("backbone").get_layer("stem").strides == (2, 2)
    shared = set(map(id, model.variables)) & set(map(id, blurred.variables))
    assert not shared


@pytest.mark.parametrize("size", [16, 17])
def test_one_tap_is_the_original(size, randomise):
    model = randomise(small_cnn(size))
    copy = kerastl.antialias(model, kernel_size=1)
    x = images(size=size)
    np.testing.assert_allclose(predict(copy, x), predict(model, x), atol=1e-6)


@pytest.mark.parametrize("taps", [3, 5, 7])
@pytest.mark.parametrize(
    "layer",
    [
        layers.DepthwiseConv2D(3, 2, padding="same", name="down"),
        layers.DepthwiseConv2D(5, 3, padding="valid", name="down"),
        layers.Conv2D(1, 1, strides=2, name="down"),
        layers.AveragePooling2D(2, name="down"),
        layers.AveragePooling2D(3, 2, padding="same", name="down"),
        layers.AveragePooling2D(4, 3, name="down"),
        layers.MaxPooling2D(1, 2, name="down"),
    ],
    ids=lambda layer: type(layer).__name__,
)
@pytest.mark.parametrize("size", [40, 41])
def test_a_blur_has_the_phase_of_what_it_replaces(layer, taps, size):
    """A symmetric filter leaves a ramp as it is, unless it is off centre."""
    inputs = keras.Input((size, size, 1))
    layer = type(layer).from_config(layer.get_config())
    model = keras.Model(inputs, layer(inputs))
    if layer.weights:
        kernel = np.zeros(layer.weights[0].shape)
        kernel[tuple(n // 2 for n in kernel.shape[:2])] = 1.0
        layer.weights[0].assign(kernel)
    blurred = kerastl.antialias(model, taps, padding="edge")
    ramp = np.arange(size) + 1000.0 * np.arange(size)[:, None]
    ramp = ramp[None, :, :, None].astype("float32")
    inside = np.s_[:, 3:-4, 3:-4]
    np.testing.assert_allclose(
        predict(blurred, ramp)[inside], predict(model, ramp)[inside], rtol=1e-6
    )


def test_average_pooling_of_two_pixels_is_a_blur_of_two_taps():
    inputs = keras.Input((12, 12, 3))
    model = keras.Model(inputs, layers.AveragePooling2D(2)(inputs))
    blurred = kerastl.antialias(model, kernel_size=2)
    x = images(size=12)
    np.testing.assert_allclose(
        predict(blurred, x), predict(model, x), rtol=1e-5
    )


def test_a_pattern_too_fine_for_the_grid_vanishes_and_no_longer_flips():
    inputs = keras.Input((16, 16, 1))
    outputs = layers.Conv2D(
        1, 1, strides=2, use_bias=False, kernel_initializer="ones"
    )(inputs)
    model = keras.Model(inputs, outputs)
    blurred = kerastl.antialias(model, kernel_size=3)
    board = (-1.0) ** np.add.outer(np.arange(16), np.arange(17))
    for shift in (0, 1):
        x = board[None, :, shift : shift + 16, None].astype("float32")
        assert np.all(predict(model, x) == (-1.0) ** shift)
        np.testing.assert_allclose(predict(blurred, x), 0.0, atol=1e-6)


def test_a_shift_moves_the_features_less(randomise):
    model = randomise(small_cnn(32))
    features = keras.Model(model.input, model.get_layer("gap").output)

    def change(network):
        x = images(16, 33)
        moved = predict(network, x[:, 1:, 1:]) - predict(
            network, x[:, :-1, :-1]
        )
        return np.abs(moved).mean()

    original = change(features)
    assert change(kerastl.antialias(features, 3)) < 0.7 * original
    assert change(kerastl.antialias(features, 5)) < 0.6 * original


def chain(*stack, size=16):
    return keras.Sequential([keras.Input((size, size, 3)), *stack])


@pytest.mark.parametrize(
    ("stack", "place"),
    [
        ([layers.Conv2D(4, 3, 2, activation="relu", name="c")], "it"),
        ([layers.Conv2D(4, 3, 2, name="c"), layers.ReLU(name="r")], "r"),
        (
            [
                layers.Conv2D(4, 3, 2, name="c"),
                layers.BatchNormalization(),
                layers.Activation("swish", name="a"),
                layers.Dropout(0.1),
            ],
            "a",
        ),
        (
            [
                layers.Conv2D(4, 3, 2, name="c"),
                layers.Activation("linear"),
                layers.LeakyReLU(name="first"),
                layers.Rescaling(2.0),
                layers.PReLU(shared_axes=[1, 2], name="last"),
            ],
            "last",
        ),
        # A slope for every pixel cannot be applied to the dense map.
        (
            [
                layers.Conv2D(4, 3, 2, name="c"),
                layers.BatchNormalization(),
                layers.PReLU(name="p"),
            ],
            "it",
        ),
        (
            [layers.Conv2D(4, 3, 2, name="c"), layers.ZeroPadding2D()],
            "it",
        ),
        (
            [layers.SeparableConv2D(4, 3, 2, name="c"), layers.ELU(name="e")],
            "e",
        ),
        ([layers.MaxPooling2D(3, 2, name="c"), layers.ReLU()], "it"),
    ],
)
def test_the_blur_goes_behind_the_last_activation(stack, place):
    stack = [type(s).from_config(s.get_config()) for s in stack]
    row = by_layer(kerastl.inspect_antialias(chain(*stack)))["c"]
    assert row.action == "blur after"
    assert row.reason == f"blur 3 after {place}"


def test_the_blur_goes_before_a_branch():
    inputs = keras.Input((16, 16, 3))
    x = layers.DepthwiseConv2D(3, 2, padding="same", name="dw")(inputs)
    x = layers.Activation("swish", name="swish")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(3, 1, activation="sigmoid")(gate)
    x = layers.Activation("relu", name="too_far")(layers.Multiply()([x, gate]))
    blurred = kerastl.antialias(keras.Model(inputs, x))
    blur = blurred.get_layer("dw_blur")
    assert blur.input is blurred.get_layer("swish").output
    pooled = blurred.get_layer("global_average_pooling2d").input
    assert pooled is blur.output


def test_operations_of_keras_ops_are_understood():
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, strides=2, name="c")(inputs)
    x = ops.relu(x * 2.0 + 1.0)
    model = keras.Model(inputs, ops.mean(x, axis=(1, 2)))
    row = by_layer(kerastl.inspect_antialias(model))["c"]
    assert row.reason == f"blur 3 after {x._keras_history.operation.name}"
    copy = kerastl.antialias(model, kernel_size=1)
    x = images(size=16)
    np.testing.assert_allclose(predict(copy, x), predict(model, x), rtol=1e-5)


def test_shared_layers_are_blurred_at_each_call():
    one = keras.Input((16, 16, 3), name="a")
    two = keras.Input((21, 21, 3), name="b")
    down = layers.Conv2D(4, 3, strides=2, padding="same", name="down")
    pool = layers.AveragePooling2D(2, name="pool")
    outputs = {
        "one": pool(ops.relu(down(one))),
        "two": pool(down(two)),
    }
    model = keras.Model({"a": one, "b": two}, outputs)
    report = kerastl.inspect_antialias(model)
    assert [row.blur for row in report.rows if row.layer == "down"] == [
        "down_blur",
        "down_blur_1",
    ]
    x = {"a": images(2, 16), "b": images(2, 21)}
    expected = predict(model, x)
    exact = predict(kerastl.antialias(model, kernel_size=1), x)
    blurred = kerastl.antialias(model)
    assert kerastl.count_multiply_adds(blurred) == report.multiply_adds_after
    for name, value in expected.items():
        np.testing.assert_allclose(exact[name], value, atol=1e-5)
        assert predict(blurred, x)[name].shape == value.shape


def test_a_nested_model_called_twice_is_rewritten_once():
    inner = chain(layers.Conv2D(4, 3, 2, activation="relu", name="c"))
    one, two = keras.Input((16, 16, 3)), keras.Input((16, 16, 3))
    model = keras.Model([one, two], layers.Add()([inner(one), inner(two)]))
    report = kerastl.inspect_antialias(model)
    assert len(report.rows) == 1
    blurred = kerastl.antialias(model)
    assert kerastl.count_multiply_adds(blurred) == report.multiply_adds_after
    exact = kerastl.antialias(model, kernel_size=1)
    x = [images(2, 16, 1), images(2, 16, 2)]
    np.testing.assert_allclose(predict(exact, x), predict(model, x), atol=1e-4)


def test_strides_along_one_axis_blur_along_that_axis_only():
    inputs = keras.Input((12, 15, 2))
    x = layers.Conv2D(3, (3, 5), strides=(1, 2), padding="same")(inputs)
    model = keras.Model(inputs, layers.MaxPooling2D((2, 1), name="pool")(x))
    blurred = kerastl.antialias(model, 5)
    kernels = [
        layer.kernel_size
        for layer in blurred.layers
        if isinstance(layer, BlurPooling2D)
    ]
    assert kernels == [(1, 5), (5, 1)]
    assert blurred.output_shape == model.output_shape
    exact = kerastl.antialias(model, 1)
    x = np.random.default_rng(0).normal(size=(2, 12, 15, 2)).astype("float32")
    np.testing.assert_allclose(predict(exact, x), predict(model, x), atol=1e-5)


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("size", [15, 16])
def test_unknown_input_size(size):
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    model = keras.Model(inputs, x)
    report = kerastl.inspect_antialias(model)
    assert report.multiply_adds_before is None
    assert report.rows[0].input_size == (None, None)
    assert "?->?" in str(report)
    exact = kerastl.antialias(model, 1)
    x = images(size=size)
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(exact.predict(x, verbose=0), expected, atol=1e-4)
    blurred = kerastl.antialias(model, 3).predict(x, verbose=0)
    assert blurred.shape == expected.shape
    outer = keras.Input((size, size, 3))
    nested = keras.Model([outer, keras.Input((4,))], model(outer))
    assert kerastl.inspect_antialias(nested).multiply_adds_before is None


def test_stem_and_exclude_leave_layers_with_a_reason():
    model = small_cnn()
    report = by_layer(
        kerastl.inspect_antialias(model, stem=False, exclude=["max"])
    )
    assert report["backbone/stem"].action == "left"
    assert "stem=False" in report["backbone/stem"].reason
    assert report["backbone/max"].reason == "excluded"
    blurred = kerastl.antialias(model, stem=False, exclude="backbone/max")
    backbone = blurred.get_layer("backbone")
    assert backbone.get_layer("stem").strides == (2, 2)
    assert backbone.get_layer("max").strides == (2, 2)
    assert backbone.get_layer("shortcut").strides == (1, 1)


def test_a_frozen_source_gives_a_student_that_trains():
    model = small_cnn()
    trainable = len(model.trainable_variables)
    model.trainable = False
    blurred = kerastl.antialias(model)
    assert len(blurred.trainable_variables) == trainable
    assert all(layer.trainable for layer in blurred._flatten_layers())
    assert not model.trainable_variables


def test_twice_changes_nothing_more():
    model = small_cnn()
    once = kerastl.antialias(model)
    report = kerastl.inspect_antialias(once)
    assert {row.action for row in report.rows} == {"done"}
    twice = kerastl.antialias(once)
    assert [layer.name for layer in twice.layers] == [
        layer.name for layer in once.layers
    ]
    x = images()
    np.testing.assert_array_equal(predict(twice, x), predict(once, x))


def test_reload_in_a_fresh_process(tmp_path, run_in_fresh_process, randomise):
    blurred = kerastl.antialias(randomise(small_cnn()), 5, padding="edge")
    blurred.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", images())
    run_in_fresh_process(
        """
        import sys
        import keras, numpy as np
        import kerastl
        folder = sys.argv[1]
        model = keras.saving.load_model(folder + "/model.keras")
        np.save(folder + "/y.npy", model(np.load(folder + "/x.npy")))
        """,
        tmp_path,
    )
    y = np.load(tmp_path / "y.npy")
    np.testing.assert_allclose(y, predict(blurred, images()), atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_trains_under_xla(policy):
    keras.config.set_dtype_policy(policy)
    blurred = kerastl.antialias(small_cnn())
    blurred.compile(
        keras.optimizers.SGD(0.05),
        "sparse_categorical_crossentropy",
        jit_compile=True,
    )
    backbone = blurred.get_layer("backbone")
    assert backbone.get_layer("stem_blur").dtype_policy.name == policy
    before = {
        name: ops.convert_to_numpy(backbone.get_layer(name).kernel)
        for name in ("stem", "shortcut", "dw")
    }
    history = blurred.fit(
        images(16), np.arange(16) % 4, batch_size=16, epochs=2, verbose=0
    )
    assert np.all(np.isfinite(history.history["loss"]))
    for name, kernel in before.items():
        after = ops.convert_to_numpy(backbone.get_layer(name).kernel)
        assert np.abs(after - kernel).max() > 1e-5


class Block(layers.Layer):
    """Hides a strided convolution in its own `call`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(4, 3, strides=2)

    def call(self, inputs):
        return self.conv(inputs)


def test_down_sampling_in_a_custom_layer_is_refused():
    model = chain(Block(name="block"), layers.MaxPooling2D(name="pool"))
    row = by_layer(kerastl.inspect_antialias(model))["block"]
    assert row.action == "refused"
    with pytest.raises(ValueError, match="block.*functional model"):
        kerastl.antialias(model)
    blurred = kerastl.antialias(model, exclude=["block"])
    assert isinstance(blurred.get_layer("pool_blur"), BlurPooling2D)


def test_wrapped_down_sampling_is_refused():
    frames = layers.TimeDistributed(layers.MaxPooling2D(), name="frames")
    model = keras.Sequential([keras.Input((4, 8, 8, 3)), frames])
    report = kerastl.inspect_antialias(model)
    assert report.rows[0].action == "refused"
    assert "frames" in str(report)
    with pytest.raises(ValueError, match="frames"):
        kerastl.antialias(model)


def test_the_report_is_plain_data():
    report = kerastl.inspect_antialias(small_cnn()).to_dict()
    assert json.loads(json.dumps(report))["rows"][0] == {
        "layer": "backbone/stem",
        "kind": "Conv 3x3 /2",
        "input_size": [17, 17],
        "output_size": [9, 9],
        "action": "blur after",
        "reason": "blur 3 after stem_relu",
        "blur": "stem_blur",
    }


def test_a_subclassed_model_is_refused():
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    for function in (kerastl.antialias, kerastl.inspect_antialias):
        with pytest.raises(ValueError, match="Build it as a functional model"):
            function(Subclassed())


@pytest.mark.parametrize("kernel_size", [0, 8, 3.0, True, "3", None, (3, 3)])
def test_kernel_size_out_of_range(kernel_size):
    with pytest.raises(ValueError, match="`kernel_size` must be an integer"):
        kerastl.antialias(small_cnn(), kernel_size)


def test_bad_arguments():
    model = small_cnn()
    with pytest.raises(ValueError, match="`padding` must be one of"):
        kerastl.antialias(model, padding="same")
    with pytest.raises(ValueError, match="Did you mean 'stem_relu'"):
        kerastl.antialias(model, exclude=["stem_rely"])


def test_a_map_too_small_to_be_reflected():
    model = chain(layers.MaxPooling2D(name="pool"), size=3)
    with pytest.raises(ValueError, match="pool.*2x2.*padding='edge'"):
        kerastl.antialias(model, 5)
    blurred = kerastl.antialias(model, 5, padding="edge")
    assert blurred.output_shape == model.output_shape
    assert kerastl.inspect_antialias(model, 5).rows[0].action == "refused"


def test_a_model_without_two_dimensional_maps():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="nothing to anti-alias"):
        kerastl.antialias(model)
    assert "No 2-D down-sampling" in str(kerastl.inspect_antialias(model))


def test_what_cannot_be_rewritten_is_listed():
    inputs = keras.Input((24, 24, 3))
    x = layers.Resizing(12, 12, name="resize")(inputs)
    x = layers.Cropping2D(3, name="crop")(x)
    x = ops.max_pool(x, 2)
    x = layers.AveragePooling2D(3, name="whole")(x)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    report = kerastl.inspect_antialias(keras.Model(inputs, x))
    reasons = {row.kind: row.reason for row in report.rows}
    assert {row.action for row in report.rows} == {"left"}
    assert "no rewrite" in reasons["Resizing"]
    assert "cuts the border" in reasons["Cropping2D"]
    assert "keras.ops" in reasons["MaxPool"]
    assert "whole map" in reasons["AvgPool 3x3 /3"]
    assert len(reasons) == 4


def test_the_table_fits_a_terminal():
    model = small_cnn()
    model.name = "a_very_long_name_" * 8
    text = str(kerastl.inspect_antialias(model))
    assert max(map(len, text.splitlines())) <= 80
    assert "backbone/stem" in text
    assert "blur 3 after stem_relu" in text
    assert "Multiply-adds" in text
