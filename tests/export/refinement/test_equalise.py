"""Networks whose channels got factors, and answer as before."""

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl import export
from kerastl.export.refinement.equalise import equalise
from kerastl.export.refinement.refinable_copy import Schedule
from kerastl.export.refinement.refine import refine

pytestmark = pytest.mark.tensorflow_only

SIZE = 10
NOISE = np.random.default_rng(0)
IMAGES = NOISE.uniform(-1, 1, (24, SIZE, SIZE, 3)).astype("float32")


def uneven(model):
    """Gives channels ranges that differ by up to a hundred."""
    generator = np.random.default_rng(1)
    for weight in model.weights:
        value = weight.numpy()
        if weight.name == "moving_variance":
            value = generator.uniform(0.2, 2, value.shape)
        elif weight.name == "gamma":
            value = 10 ** generator.uniform(-2, 0, value.shape)
        elif weight.name != "kernel":
            value = generator.normal(0, 0.1, value.shape)
        else:
            value = value * 10 ** generator.uniform(-1, 0, value.shape[-1])
        weight.assign(value.astype("float32"))
    return model


def run_to(model, name, images=IMAGES):
    """What a layer of a flat model makes, as rows of channels."""
    part = keras.Model(model.input, model.get_layer(name).output)
    outputs = keras.ops.convert_to_numpy(part(images))
    return outputs.reshape(-1, outputs.shape[-1])


def equalised(model, **options):
    copy = kerastl.surgery.copy_model(model)
    return copy, equalise(copy, Schedule(copy), IMAGES, **options)


def assert_same_answers(model, copy):
    """On photos that nobody looked at, too, with values beyond."""
    more = np.random.default_rng(2).normal(0, 2, IMAGES.shape)
    for images in (IMAGES, more.astype("float32")):
        before, after = (
            keras.ops.convert_to_numpy(each(images)) for each in (model, copy)
        )
        size = np.abs(before).max()
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5 * size)


def test_two_kernels_share_out_the_range_between_them():
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(6, 3, name="first")(inputs)
    x = layers.Conv2D(4, 1, name="second")(layers.ReLU(name="relu")(x))
    model = uneven(keras.Model(inputs, x))
    copy, found = equalised(model)
    reach = np.abs(run_to(model, "relu")).max(0)
    factors = np.minimum(reach.max() / reach, 64)
    for name, factor in (
        ("first", factors),
        ("second", 1 / factors[:, None]),
    ):
        before, after = (
            each.get_layer(name).get_weights() for each in (model, copy)
        )
        np.testing.assert_allclose(after[0], before[0] * factor, rtol=1e-5)
    bias = model.get_layer("first").bias.numpy()
    np.testing.assert_allclose(
        copy.get_layer("first").bias, bias * factors, rtol=1e-5
    )
    np.testing.assert_array_equal(
        copy.get_layer("second").bias, model.get_layer("second").bias
    )
    assert found.gain == pytest.approx(1 / np.mean(factors**-2.0))
    assert_same_answers(model, copy)


def make_blocks():
    """Bottlenecks with a sum, a dense block, a blur, and what stays."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, padding="same", name="stem")(inputs)
    x = bottleneck = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.Conv2D(12, 1, use_bias=False, name="expand")(x)
    x = layers.BatchNormalization(name="expand_bn")(x)
    x = layers.ReLU(6.0, name="relu6")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.BatchNormalization(name="depthwise_bn")(x)
    x = layers.ReLU(name="relu")(x)
    x = kerastl.layers.BlurPooling2D(3, strides=1, name="blur")(x)
    x = layers.Conv2D(8, 1, use_bias=False, name="project")(x)
    x = layers.BatchNormalization(name="project_bn")(x)
    x = layers.Add(name="sum")([bottleneck, x])
    y = layers.Conv2D(4, 3, padding="same", name="growth")(x)
    x = layers.Concatenate(name="both")([x, layers.LeakyReLU(0.1)(y)])
    x = layers.BatchNormalization(name="dense_bn")(x)
    x = layers.Conv2D(6, 1, activation="relu", name="narrow")(x)
    x = layers.MaxPooling2D()(x)
    gate = layers.Conv2D(6, 1, activation="sigmoid", name="gate")(x)
    x = layers.Multiply()([x, gate])
    x = layers.Flatten()(layers.AveragePooling2D(2)(x))
    return uneven(keras.Model(inputs, layers.Dense(5, activation="softmax")(x)))


def test_sums_and_concatenations_share_factors_and_answers_stay():
    model = make_blocks()
    copy, found = equalised(model)
    assert_same_answers(model, copy)
    assert found.gain > 1.5
    # One vector of factors for all that a sum or a blur joins.
    for names in (("stem_bn", "project_bn", "sum"), ("relu", "blur")):
        before, after = (
            np.stack([np.abs(run_to(each, name)).max(0) for name in names])
            for each in (model, copy)
        )
        shares = (before / before.max(1, keepdims=True)).max(0)
        alive = shares > 0
        assert alive.sum() >= 3
        factors = np.minimum(1 / shares[alive], 64)
        np.testing.assert_allclose(
            after[:, alive], before[:, alive] * factors, rtol=1e-4, atol=1e-6
        )
        # No channel reaches farther than the farthest did.
        assert (after.max(1) <= 1.0001 * before.max(1)).all()
    np.testing.assert_allclose(
        np.abs(run_to(copy, "both")).max(0)[:8],
        np.abs(run_to(copy, "sum")).max(0),
    )


def test_what_relu6_or_a_product_holds_stays():
    model = make_blocks()
    copy, found = equalised(model)
    for name in ("relu6", "narrow", "gate"):
        np.testing.assert_allclose(
            run_to(copy, name), run_to(model, name), atol=1e-5
        )
    assert id(copy.get_layer("expand")) in found.layers  # what it reads
    np.testing.assert_array_equal(
        copy.get_layer("expand_bn").gamma, model.get_layer("expand_bn").gamma
    )


def test_dead_channels_and_values_that_are_not_finite_get_no_factor():
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(6, 1, name="first")(inputs)
    x = layers.Conv2D(4, 1, name="second")(x)
    x = layers.Conv2D(3, 1, name="third")(x)
    model = uneven(keras.Model(inputs, x))
    kernel, bias = model.get_layer("first").get_weights()
    kernel[..., 0], bias[0] = 0, 0
    model.get_layer("first").set_weights([kernel, bias])
    copy, _ = equalised(model)
    assert all(np.isfinite(each).all() for each in copy.get_weights())
    after = copy.get_layer("first").get_weights()
    assert not after[0][..., 0].any() and after[1][0] == 0
    factors, before = (
        each.get_layer("second").bias.numpy() for each in (copy, model)
    )
    np.testing.assert_allclose(
        copy.get_layer("second").kernel[0, 0, 0],
        model.get_layer("second").kernel[0, 0, 0] * factors / before,
        rtol=1e-5,
    )
    assert_same_answers(model, copy)
    kernel[..., 1] = np.inf
    model.get_layer("first").set_weights([kernel, bias])
    copy, _ = equalised(model)
    for name in ("first", "second", "third"):
        np.testing.assert_array_equal(
            copy.get_layer(name).kernel, model.get_layer(name).kernel
        )


def test_black_images_change_nothing():
    model = uneven(
        keras.Sequential(
            [
                keras.Input((SIZE, SIZE, 3)),
                layers.Conv2D(6, 1, use_bias=False),
                layers.Conv2D(4, 1),
            ]
        )
    )
    copy = kerastl.surgery.copy_model(model)
    found = equalise(copy, Schedule(copy), np.zeros_like(IMAGES))
    assert found.gain == 1 and not found.layers
    for before, after in zip(
        model.get_weights(), copy.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(after, before)


def test_pruned_weights_stay_zero_and_clustered_ones_keep_their_values():
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(32, 3, name="pruned")(inputs)
    x = layers.Conv2D(16, 1, name="between")(x)
    x = layers.Conv2D(32, 1, name="clustered")(x)
    model = uneven(keras.Model(inputs, x))
    pruned, clustered = (
        model.get_layer(name).kernel for name in ("pruned", "clustered")
    )
    few = np.abs(pruned.numpy()) < np.median(np.abs(pruned.numpy()))
    pruned.assign(np.where(few, 0, pruned.numpy()))
    clustered.assign(np.round(clustered.numpy() * 30) / 30)
    copy, records, _ = refine(model, IMAGES, IMAGES, ("equalisation",))
    left = {each.layer: each.left for each in records if each.left}
    assert left == {"clustered": {"equalisation": "its weights are clustered"}}
    assert all(each.done == ["equalisation"] for each in records[:2])
    np.testing.assert_array_equal(
        copy.get_layer("pruned").kernel.numpy() == 0, few
    )
    np.testing.assert_array_equal(copy.get_layer("clustered").kernel, clustered)
    assert_same_answers(model, copy)


def test_a_layer_that_is_called_twice_stays():
    inputs = keras.Input((SIZE, SIZE, 3))
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    x = shared(layers.ReLU()(shared(inputs)))
    x = layers.Conv2D(4, 1, name="last")(x)
    model = uneven(keras.Model(inputs, x))
    copy, found = equalised(model)
    assert not found.layers
    for before, after in zip(
        model.get_weights(), copy.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(after, before)


def test_a_mobile_net_answers_as_before():
    keras.utils.set_random_seed(0)
    model = uneven(
        keras.applications.MobileNetV2(
            (32, 32, 3), alpha=0.35, weights=None, classes=7
        )
    )
    images = NOISE.uniform(-1, 1, (4, 32, 32, 3)).astype("float32")
    copy = kerastl.surgery.copy_model(model)
    found = equalise(copy, Schedule(copy), images)
    np.testing.assert_allclose(
        copy(images), keras.ops.convert_to_numpy(model(images)), atol=1e-5
    )
    assert found.gain > 1.5
    changed = {layer.name for layer in copy.layers if id(layer) in found.layers}
    assert {f"block_{n}_project_BN" for n in range(1, 17)} <= changed


@pytest.mark.parametrize(
    "to_file, name",
    [
        (export.to_tflite, "a.tflite"),
        pytest.param(
            export.to_onnx, "a.onnx", marks=pytest.mark.exact_onnx_int8
        ),
    ],
)
def test_files_of_uneven_channels_come_nearer(to_file, name, tmp_path):
    """Channels whose ranges and readers differ by up to a hundred."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(16, 3, name="makes")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 1, name="reads")(x))
    model = keras.Model(inputs, layers.Dense(4)(x))
    factors = 10 ** np.linspace(-2, 0, 16)
    makes, reads = model.get_layer("makes"), model.get_layer("reads")
    makes.kernel.assign(makes.kernel.numpy() * factors)
    reads.kernel.assign(reads.kernel.numpy() / factors[:, None])
    images = np.random.default_rng(3).uniform(-1, 1, (60, SIZE, SIZE, 3))
    images = images.astype("float32")
    plain, nearer = (
        to_file(
            model,
            tmp_path / name,
            calibration=images,
            overwrite=True,
            refine=refine,
        )
        for refine in ("none", "equalisation")
    )
    record = nearer.refinement
    assert record.kept and record.gains["equalisation"] > 2
    assert nearer.mean_abs_difference < 0.25 * plain.mean_abs_difference
    assert nearer.ops == plain.ops


def test_a_depthwise_kernel_passes_factors_on():
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(6, 1, activation="relu", name="expand")(inputs)
    x = layers.DepthwiseConv2D(
        3, depth_multiplier=2, activation="relu", name="depthwise"
    )(x)
    x = layers.Conv2D(4, 1, name="project")(x)
    model = uneven(keras.Model(inputs, layers.Flatten()(x)))
    copy, found = equalised(model)
    assert {"expand", "depthwise", "project"} == {
        call.operation.name
        for group in Schedule(copy).groups
        for call in group.calls
        if id(call.operation) in found.layers
    }
    assert_same_answers(model, copy)
    before, after = (
        np.abs(run_to(each, "depthwise")).max(0) for each in (model, copy)
    )
    assert (after / after.max() > before / before.max() * 1.5).any()
