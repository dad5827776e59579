"""antialias on user-made networks: values, places, training."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.layers import BlurPooling2D


def test_nested_model_keeps_its_place_names_and_weights(
    randomise, variables_by_layer, small_cnn
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
def test_one_tap_is_the_original(
    size, randomise, small_cnn, make_images, predict
):
    model = randomise(small_cnn(size))
    copy = kerastl.antialias(model, kernel_size=1)
    x = make_images(size=size)
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
def test_a_blur_has_the_phase_of_what_it_replaces(layer, taps, size, predict):
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


def test_average_pooling_of_two_pixels_is_a_blur_of_two_taps(
    make_images, predict
):
    inputs = keras.Input((12, 12, 3))
    model = keras.Model(inputs, layers.AveragePooling2D(2)(inputs))
    blurred = kerastl.antialias(model, kernel_size=2)
    x = make_images(size=12)
    np.testing.assert_allclose(
        predict(blurred, x), predict(model, x), rtol=1e-5
    )


def test_a_pattern_too_fine_for_the_grid_vanishes_and_no_longer_flips(predict):
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


def test_a_shift_moves_the_features_less(
    randomise, small_cnn, make_images, predict
):
    model = randomise(small_cnn(32))
    features = keras.Model(model.input, model.get_layer("gap").output)

    def change(network):
        x = make_images(16, 33)
        moved = predict(network, x[:, 1:, 1:]) - predict(
            network, x[:, :-1, :-1]
        )
        return np.abs(moved).mean()

    original = change(features)
    assert change(kerastl.antialias(features, 3)) < 0.7 * original
    assert change(kerastl.antialias(features, 5)) < 0.6 * original


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


def test_operations_of_keras_ops_are_understood(make_images, predict, by_layer):
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, strides=2, name="c")(inputs)
    x = ops.relu(x * 2.0 + 1.0)
    model = keras.Model(inputs, ops.mean(x, axis=(1, 2)))
    row = by_layer(kerastl.inspect_antialias(model))["c"]
    assert row.reason == f"blur 3 after {x._keras_history.operation.name}"
    copy = kerastl.antialias(model, kernel_size=1)
    x = make_images(size=16)
    np.testing.assert_allclose(predict(copy, x), predict(model, x), rtol=1e-5)


def test_shared_layers_are_blurred_at_each_call(make_images, predict):
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
    x = {"a": make_images(2, 16), "b": make_images(2, 21)}
    expected = predict(model, x)
    exact = predict(kerastl.antialias(model, kernel_size=1), x)
    blurred = kerastl.antialias(model)
    assert kerastl.count_multiply_adds(blurred) == report.multiply_adds_after
    for name, value in expected.items():
        np.testing.assert_allclose(exact[name], value, atol=1e-5)
        assert predict(blurred, x)[name].shape == value.shape


def test_a_nested_model_called_twice_is_rewritten_once(
    make_images, predict, chain
):
    inner = chain(layers.Conv2D(4, 3, 2, activation="relu", name="c"))
    one, two = keras.Input((16, 16, 3)), keras.Input((16, 16, 3))
    model = keras.Model([one, two], layers.Add()([inner(one), inner(two)]))
    report = kerastl.inspect_antialias(model)
    assert len(report.rows) == 1
    blurred = kerastl.antialias(model)
    assert kerastl.count_multiply_adds(blurred) == report.multiply_adds_after
    exact = kerastl.antialias(model, kernel_size=1)
    x = [make_images(2, 16, 1), make_images(2, 16, 2)]
    np.testing.assert_allclose(predict(exact, x), predict(model, x), atol=1e-4)


def test_strides_along_one_axis_blur_along_that_axis_only(predict):
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
def test_unknown_input_size(size, make_images):
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    model = keras.Model(inputs, x)
    report = kerastl.inspect_antialias(model)
    assert report.multiply_adds_before is None
    assert report.rows[0].input_size == (None, None)
    assert "?->?" in str(report)
    exact = kerastl.antialias(model, 1)
    x = make_images(size=size)
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(exact.predict(x, verbose=0), expected, atol=1e-4)
    blurred = kerastl.antialias(model, 3).predict(x, verbose=0)
    assert blurred.shape == expected.shape
    outer = keras.Input((size, size, 3))
    nested = keras.Model([outer, keras.Input((4,))], model(outer))
    assert kerastl.inspect_antialias(nested).multiply_adds_before is None


def test_stem_and_exclude_leave_layers_with_a_reason(small_cnn, by_layer):
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


def test_a_frozen_source_gives_a_student_that_trains(small_cnn):
    model = small_cnn()
    trainable = len(model.trainable_variables)
    model.trainable = False
    blurred = kerastl.antialias(model)
    assert len(blurred.trainable_variables) == trainable
    assert all(layer.trainable for layer in blurred._flatten_layers())
    assert not model.trainable_variables


def test_twice_changes_nothing_more(small_cnn, make_images, predict):
    model = small_cnn()
    once = kerastl.antialias(model)
    report = kerastl.inspect_antialias(once)
    assert {row.action for row in report.rows} == {"done"}
    twice = kerastl.antialias(once)
    assert [layer.name for layer in twice.layers] == [
        layer.name for layer in once.layers
    ]
    x = make_images()
    np.testing.assert_array_equal(predict(twice, x), predict(once, x))


def test_reload_in_a_fresh_process(
    tmp_path, run_in_fresh_process, randomise, small_cnn, make_images, predict
):
    blurred = kerastl.antialias(randomise(small_cnn()), 5, padding="edge")
    blurred.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", make_images())
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
    np.testing.assert_allclose(y, predict(blurred, make_images()), atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_trains_under_xla(policy, small_cnn, make_images):
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
        make_images(16), np.arange(16) % 4, batch_size=16, epochs=2, verbose=0
    )
    assert np.all(np.isfinite(history.history["loss"]))
    for name, kernel in before.items():
        after = ops.convert_to_numpy(backbone.get_layer(name).kernel)
        assert np.abs(after - kernel).max() > 1e-5
