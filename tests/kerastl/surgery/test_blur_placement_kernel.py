"""antialias(place="kernel"): one larger convolution with the same strides."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.layers import BlurPooling2D
from kerastl.layers import BlurredConv2D
from kerastl.layers import BlurredDepthwiseConv2D
from kerastl.layers import BlurredSeparableConv2D
from kerastl.surgery import fold_blurs


class UserConv2D(layers.Conv2D):
    """A subclass that nobody knows."""


def assert_same(predict, one, other, x, atol=1e-5):
    np.testing.assert_allclose(predict(one, x), predict(other, x), atol=atol)


def test_the_copy_has_the_weights_and_a_larger_reach(
    randomise, variables_by_layer, small_cnn
):
    model = randomise(small_cnn())
    blurred = kerastl.antialias(model, place="kernel")
    backbone = blurred.get_layer("backbone")
    stem = backbone.get_layer("stem")
    assert isinstance(stem, BlurredConv2D)
    assert stem.strides == (2, 2) and stem.blurred_size == (5, 5)
    # A 1x1 convolution is cheaper behind the blur of what it reads.
    assert isinstance(backbone.get_layer("shortcut_blur"), BlurPooling2D)
    assert isinstance(backbone.get_layer("max_blur"), BlurPooling2D)
    assert isinstance(backbone.get_layer("average"), BlurPooling2D)
    assert backbone.output_shape == model.get_layer("backbone").output_shape
    before, after = variables_by_layer(model), variables_by_layer(blurred)
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name])
    assert not set(map(id, model.variables)) & set(map(id, blurred.variables))


def test_the_report_says_where_each_blur_is(small_cnn, by_layer):
    model = small_cnn()
    report = kerastl.inspect_antialias(model, place="kernel")
    done = {name: row.reason for name, row in by_layer(report).items()}
    assert done == {
        "backbone/stem": "blur 3 in its kernel, 5x5",
        "backbone/shortcut": "blur 3 before it",
        "backbone/max": "blur 3 after it",
        "backbone/average": "becomes blur 4",
    }
    assert by_layer(report)["backbone/stem"].action == "in kernel"
    assert "4 anti-aliased (1 by a larger kernel), 0 left" in str(report)
    blurred = kerastl.antialias(model, place="kernel")
    for network in (blurred, fold_blurs(blurred)):
        cost = kerastl.count_multiply_adds(network)
        assert cost == report.multiply_adds_after
    dense = kerastl.inspect_antialias(model).multiply_adds_after
    assert report.multiply_adds_before < cost < dense


@pytest.mark.parametrize("size", [16, 17])
def test_one_tap_is_the_original(
    size, randomise, small_cnn, make_images, predict
):
    model = randomise(small_cnn(size))
    copy = kerastl.antialias(model, kernel_size=1, place="kernel")
    assert_same(predict, copy, model, make_images(size=size), atol=1e-6)


@pytest.mark.parametrize("size", [64, 65])
def test_mobilenet_pads_and_convolves_in_one(size, randomise, predict):
    """Keras's ZeroPadding2D goes: the larger kernel pads by itself."""
    model = randomise(
        keras.applications.MobileNetV2(
            (size, size, 3), alpha=0.35, weights=None, include_top=False
        )
    )
    x = np.random.default_rng(0).uniform(-1, 1, (2, size, size, 3))
    one = kerastl.antialias(model, kernel_size=1, place="kernel")
    expected = predict(model, x)
    np.testing.assert_allclose(
        predict(one, x), expected, atol=1e-5 * expected.max()
    )
    blurred = kerastl.antialias(model, place="kernel")
    assert blurred.output_shape == model.output_shape
    folded = fold_blurs(blurred)
    for network in (blurred, folded):
        kinds = {type(layer) for layer in network.layers}
        assert layers.ZeroPadding2D not in kinds
    strided = [
        layer
        for layer in folded.layers
        if getattr(layer, "strides", None) == (2, 2)
    ]
    assert [layer.name for layer in strided] == [
        "Conv1",
        *(f"block_{i}_depthwise" for i in (1, 3, 6, 13)),
    ]
    for layer in strided:
        assert type(layer) in (layers.Conv2D, layers.DepthwiseConv2D)
        assert layer.kernel_size == (5, 5) and layer.padding == "same"
    expected = predict(blurred, x)
    np.testing.assert_allclose(
        predict(folded, x), expected, atol=1e-5 * np.abs(expected).max()
    )


def test_it_equals_the_blur_after_where_nothing_bends(make_images, predict):
    """Without an activation both are the same but at the border."""
    inputs = keras.Input((20, 20, 3))
    x = layers.DepthwiseConv2D(3, 2, padding="same", name="dw")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.SeparableConv2D(4, 3, 2, padding="same", name="sep")(x)
    model = keras.Model(inputs, x)
    x = make_images(2, 20)
    kernel = predict(kerastl.antialias(model, place="kernel"), x)
    after = predict(kerastl.antialias(model), x)
    scale = np.abs(after).max()
    np.testing.assert_allclose(
        kernel[:, 2:-2, 2:-2], after[:, 2:-2, 2:-2], atol=1e-5 * scale
    )
    assert np.abs(kernel - after).max() > 0.01 * scale


def test_folded_layers_are_keras_own_and_compute_the_same(
    randomise, make_images, predict
):
    inputs = keras.Input((17, 17, 3))
    x = layers.ZeroPadding2D(((2, 0), (1, 1)), name="pad")(inputs)
    x = layers.Conv2D(4, 3, 2, activation="relu", name="conv")(x)
    x = layers.SeparableConv2D(4, 2, 2, use_bias=False, name="separable")(x)
    model = randomise(keras.Model(inputs, x))
    blurred = kerastl.antialias(model, place="kernel")
    assert isinstance(blurred.get_layer("separable"), BlurredSeparableConv2D)
    kerastl.regularizers.L2SP(0.1).attach(blurred)
    folded = fold_blurs(blurred, name="plain")
    assert folded.name == "plain" and folded.built and not folded.losses
    assert [
        type(layer).__module__.split(".")[0] for layer in folded.layers
    ] == ["keras"] * len(folded.layers)
    assert folded.get_layer("conv_border").padding == ((3, 1), (2, 2))
    assert_same(predict, folded, blurred, make_images(), atol=1e-3)


def test_zeros_that_something_else_reads_stay(make_images, predict):
    inputs = keras.Input((12, 12, 3))
    padded = layers.ZeroPadding2D(1, name="pad")(inputs)
    x = layers.Conv2D(4, 3, 2, name="conv")(padded)
    other = layers.Conv2D(4, 3, name="other")(padded)
    model = keras.Model(inputs, [x, other])
    blurred = kerastl.antialias(model, place="kernel")
    assert isinstance(blurred.get_layer("pad"), layers.ZeroPadding2D)
    assert blurred.get_layer("conv").zero_padding == ((0, 0), (0, 0))
    alone = keras.Model(inputs, x)
    taken = kerastl.antialias(alone, place="kernel")
    assert "pad" not in [layer.name for layer in taken.layers]
    x = make_images(size=12)
    np.testing.assert_allclose(
        predict(blurred, x)[0], predict(taken, x), atol=1e-3
    )


def test_what_cannot_carry_it_is_blurred_behind_and_named(by_layer):
    inputs = keras.Input((None, None, 3))
    known = keras.Input((24, 24, 3))
    shared = layers.Conv2D(4, 3, 2, name="shared")
    outputs = [
        UserConv2D(4, 3, 2, name="user")(inputs),
        layers.Conv2D(4, 2, 3, padding="same", name="gaps")(inputs),
        layers.Conv2D(4, 3, 2, padding="same", name="any")(inputs),
        shared(known),
        shared(layers.ReLU()(known)),
    ]
    model = keras.Model([inputs, known], outputs)
    rows = by_layer(kerastl.inspect_antialias(model, place="kernel"))
    assert rows["any"].action == "in kernel"
    for name, why in (
        ("user", "a UserConv2D may compute anything"),
        ("gaps", "its padding depends on a size that is not known"),
        ("shared", "it is called several times"),
    ):
        assert rows[name].action == "blur after"
        assert rows[name].reason == f"blur 3 after it ({why})"
    blurred = kerastl.antialias(model, place="kernel")
    assert type(blurred.get_layer("user")) is UserConv2D
    assert blurred.get_layer("user_blur").strides == (2, 2)


def test_an_even_blur_needs_to_know_the_size_that_it_pads(by_layer):
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", name="down")(inputs)
    model = keras.Model(inputs, x)
    for taps, action in ((2, "blur after"), (3, "in kernel")):
        report = kerastl.inspect_antialias(model, taps, place="kernel")
        assert by_layer(report)["down"].action == action


def test_a_map_with_more_border_than_pixels_is_refused():
    inputs = keras.Input((3, 3, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", name="small")(inputs)
    model = keras.Model(inputs, x)
    for place in ("kernel", "after"):
        with pytest.raises(
            ValueError, match="small.*3x3 is too small for 7 taps.*larger input"
        ):
            kerastl.antialias(model, kernel_size=7, place=place)
    left = kerastl.antialias(model, 5, place="kernel")
    assert left.output_shape == model.output_shape


def test_an_unknown_place_is_refused(small_cnn):
    with pytest.raises(
        ValueError, match="place.*'after', 'kernel'.*'kernel'.*Received"
    ):
        kerastl.antialias(small_cnn(), place="kernels")


def test_twice_changes_nothing_more(small_cnn, make_images, predict):
    once = kerastl.antialias(small_cnn(), place="kernel")
    for place in ("kernel", "after"):
        report = kerastl.inspect_antialias(once, place=place)
        assert {row.action for row in report.rows} == {"done"}
        assert_same(
            predict, kerastl.antialias(once, place=place), once, make_images()
        )


def test_stem_and_exclude_leave_layers(small_cnn, by_layer):
    model = small_cnn()
    report = by_layer(
        kerastl.inspect_antialias(model, stem=False, place="kernel")
    )
    assert report["backbone/stem"].reason == "the stem (stem=False)"
    blurred = kerastl.antialias(model, exclude=["stem"], place="kernel")
    assert type(blurred.get_layer("backbone").get_layer("stem")) is (
        layers.Conv2D
    )


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_one_step_of_a_tuner_is_the_same_under_xla(policy):
    """Where a depthwise convolution is computed as a sum of shifted maps."""
    keras.config.set_dtype_policy(policy)
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", name="conv")(inputs)
    x = layers.ReLU()(x)
    x = layers.DepthwiseConv2D(3, 2, padding="same", name="dw")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(3, activation="softmax", dtype="float32", name="head")(x)
    source = keras.Model(inputs, x)
    images = np.random.default_rng(0).uniform(-1, 1, (6, 12, 12, 3))
    weights = []
    for jit_compile in (False, True):
        student = kerastl.antialias(source, place="kernel")
        assert isinstance(student.get_layer("dw"), BlurredDepthwiseConv2D)
        tuner = kerastl.FineTuner(student, source)
        tuner.compile(
            keras.optimizers.SGD(0.5),
            "sparse_categorical_crossentropy",
            transfer_losses=[kerastl.losses.GlobalLevel(1.0)],
            jit_compile=jit_compile,
        )
        tuner.fit(images, np.arange(6) % 3, batch_size=6, verbose=0)
        weights.append(student.get_weights())
    rough = 0.02 if policy == "mixed_float16" else 1e-5
    for plain, compiled, old in zip(
        *weights, source.get_weights(), strict=True
    ):
        assert np.abs(plain - old).max() > 1e-4
        np.testing.assert_allclose(plain, compiled, atol=rough)


def test_the_penalty_holds_the_weights_of_the_source(small_cnn):
    source = small_cnn()
    student = kerastl.antialias(source, place="kernel")
    kerastl.regularizers.L2SP(2.0).attach(student, source=source)
    assert float(sum(student.losses)) == pytest.approx(0.0, abs=1e-6)
    stem = student.get_layer("backbone").get_layer("stem")
    assert tuple(stem.kernel.shape) == (3, 3, 3, 8)
    stem.kernel.assign(stem.kernel + 0.1)
    expected = 2.0 / 2 * stem.kernel.shape[0] * 3 * 3 * 8 * 0.1**2
    assert float(sum(student.losses)) == pytest.approx(expected, rel=1e-4)


def test_taps_lie_behind_the_first_blur(small_cnn):
    source = small_cnn(33)
    student = kerastl.antialias(source, place="kernel")
    assert kerastl.surgery.default_taps(source, student) == (
        kerastl.surgery.default_taps(source, kerastl.antialias(source))
    )


def test_pruned_channels_are_those_of_the_masked_network(randomise, predict):
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, 2, padding="same", name="stem")(inputs)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU()(x)
    x = layers.DepthwiseConv2D(3, 2, padding="same", name="dw")(x)
    x = layers.SeparableConv2D(8, 3, 2, padding="same", name="sep")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = randomise(keras.Model(inputs, layers.Dense(3, name="head")(x)))
    blurred = kerastl.antialias(model, place="kernel")
    masked = kerastl.surgery.mask_channels(blurred, 0.5)
    pruned = kerastl.surgery.prune_channels(blurred, 0.5)
    assert pruned.get_layer("stem").filters == 4
    assert isinstance(pruned.get_layer("stem"), BlurredConv2D)
    assert pruned.get_layer("sep").filters == 4
    x = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 3))
    assert_same(predict, pruned, masked, x)


def test_pruning_and_clustering_leave_kernels_with_a_blur(small_cnn):
    model = kerastl.antialias(small_cnn(), place="kernel")
    pruned = kerastl.surgery.prune_weights(model, 0.5)
    for one, other in zip(
        model.get_layer("backbone").layers,
        pruned.get_layer("backbone").layers,
        strict=True,
    ):
        if one.name == "stem":
            np.testing.assert_array_equal(one.kernel, other.kernel)
        elif one.name == "shortcut":
            assert np.mean(ops.convert_to_numpy(other.kernel) == 0) == 0.5
    with pytest.raises(ValueError, match="carries a blur.*'stem'"):
        kerastl.surgery.prune_weights(model, 0.5, layers=["stem"])


def test_batch_norm_is_adjusted_to_what_the_blur_changes(
    small_cnn, randomise, make_images
):
    source = randomise(small_cnn())
    student = kerastl.antialias(source, place="kernel")
    x = make_images(16)
    norm = student.get_layer("backbone").get_layer("stem_bn")
    before = norm.get_weights()
    kerastl.surgery.adjust_batch_norm(student, source, x)
    stems = [
        keras.Model(
            model.get_layer("backbone").input,
            model.get_layer("backbone").get_layer("stem").output,
        )(x / 127.5 - 1)
        for model in (source, student)
    ]
    variances = [np.var(ops.convert_to_numpy(s), (0, 1, 2)) for s in stems]
    np.testing.assert_allclose(
        norm.get_weights()[3],
        before[3] * variances[1] / variances[0],
        rtol=1e-3,
    )


def test_gated_filters_fold_to_kernels_with_a_blur(
    small_cnn, randomise, make_images, predict
):
    model = kerastl.antialias(randomise(small_cnn()), place="kernel")
    backbone = model.get_layer("backbone")
    gated = kerastl.surgery.add_gated_filters(backbone)
    folded = kerastl.fold_gates(gated, make_images()).model
    assert isinstance(folded.get_layer("stem"), BlurredConv2D)
    assert_same(predict, folded, backbone, make_images(), atol=1e-4)
