import json

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.surgery import mask_channels
from kerastl.surgery import prune_channels
from kerastl.surgery import remove_zero_channels


def _residual():
    """Nested, with a residual block, a gate, and a separable convolution."""
    inputs = keras.Input((12, 12, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    y = layers.Conv2D(16, 1, name="expand")(x)
    y = layers.BatchNormalization(name="expand_bn")(y)
    y = layers.Activation("silu")(y)
    y = layers.ZeroPadding2D(1)(y)
    y = layers.DepthwiseConv2D(3, name="depthwise")(y)
    y = layers.BatchNormalization(name="depthwise_bn")(y)
    gate = layers.GlobalAveragePooling2D()(y)
    gate = layers.Reshape((1, 1, 16), name="gate_shape")(gate)
    gate = layers.Conv2D(8, 1, activation="relu", name="squeeze")(gate)
    gate = layers.Conv2D(16, 1, activation="sigmoid", name="excite")(gate)
    y = layers.Multiply()([y, gate])
    y = layers.Conv2D(8, 1, name="project")(y)
    x = layers.Add()([x, y])
    x = layers.SeparableConv2D(
        12, 3, strides=2, depth_multiplier=2, name="separable"
    )(x)
    x = ops.relu(x)
    backbone = keras.Model(inputs, x, name="backbone")
    inputs = keras.Input((12, 12, 3))
    x = layers.GlobalAveragePooling2D()(backbone(inputs))
    x = layers.Dense(8, activation="relu", name="hidden")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x), name="residual")


def _dense_net():
    """Concatenations, a flattened map, and a blur."""
    inputs = keras.Input((10, 10, 3))
    x = layers.Conv2D(8, 3, activation="relu", name="first")(inputs)
    y = layers.Conv2D(8, 3, padding="same", activation="tanh", name="new")(x)
    x = layers.Concatenate()([x, y])
    x = layers.BatchNormalization(name="bn")(x)
    x = kerastl.layers.BlurPooling2D(3, name="blur")(x)
    x = layers.Conv2D(8, 1, name="bottleneck")(x)
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


def _shared():
    """A nested model that is called twice."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", name="inner")(inputs)
    x = layers.Conv2D(3, 3, padding="same", name="back")(layers.ReLU()(x))
    block = keras.Model(inputs, x, name="block")
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalMaxPooling2D()(block(block(inputs)))
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


def _images(model):
    shape = (4, *model.input_shape[1:])
    return np.random.default_rng(5).uniform(0, 255, shape).astype("float32")


def _assert_same(first, second):
    images = _images(first)
    np.testing.assert_allclose(
        ops.convert_to_numpy(first(images)),
        ops.convert_to_numpy(second(images)),
        atol=1e-4,
        rtol=1e-4,
    )


def _outputs(model):
    """Number of output channels by layer, nested ones too."""
    return {
        layer.name: layer.weights[-1].shape[-1]
        for layer in model._flatten_layers()
        if isinstance(layer, (layers.Conv2D, layers.Dense))
    }


@pytest.mark.parametrize("make", [_residual, _dense_net, _shared])
@pytest.mark.parametrize("by", ["magnitude", "gamma"])
def test_equals_the_masked_network(make, by, randomise):
    model = randomise(make())
    if by == "gamma" and make is _shared:
        pytest.skip("has no BatchNormalization")
    masked = mask_channels(model, 0.5, by=by)
    small = prune_channels(model, 0.5, by=by)
    assert [w.shape for w in masked.weights] == [w.shape for w in model.weights]
    assert small.count_params() < 0.75 * model.count_params()
    _assert_same(masked, small)
    before = kerastl.count_multiply_adds(model)
    assert kerastl.count_multiply_adds(small) < 0.75 * before


def test_every_group_loses_its_fraction(randomise):
    model = randomise(_residual())
    small = prune_channels(model, 0.5)
    assert _outputs(small) == {
        "stem": 4,
        "expand": 8,
        "squeeze": 4,
        "excite": 8,
        "project": 4,
        "hidden": 4,
        "head": 3,
    }
    layer = small.get_layer("backbone").get_layer("separable")
    assert [w.shape for w in layer.weights] == [
        (3, 3, 4, 2),
        (1, 1, 8, 6),
        (6,),
    ]
    _assert_same(kerastl.surgery.copy_model(small), small)


def test_takes_the_smallest_filters(randomise):
    model = randomise(_dense_net())
    first = model.get_layer("first")
    kernel = ops.convert_to_numpy(first.kernel).copy()
    kernel[..., [1, 4, 6]] *= 1e-3
    first.kernel.assign(kernel)
    small = prune_channels(
        model, 3 / 8, exclude=["new", "bottleneck"]
    ).get_layer("first")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(small.kernel), kernel[..., [0, 2, 3, 5, 7]]
    )


def test_takes_the_smallest_gammas(randomise):
    model = randomise(_dense_net())
    gamma = np.linspace(1, 2, 16)
    gamma[[2, 9]] = 1e-3, -1e-3
    model.get_layer("bn").gamma.assign(gamma)
    small = prune_channels(model, 1 / 8, by="gamma").get_layer("bn")
    kept = np.delete(gamma, [2, 9])
    np.testing.assert_allclose(ops.convert_to_numpy(small.gamma), kept)


def test_removes_what_was_zero_or_not_read_already(randomise):
    model = randomise(_dense_net())
    new = model.get_layer("new")
    kernel, bias = (ops.convert_to_numpy(w).copy() for w in new.weights)
    kernel[..., :3], bias[:3] = 0, 0  # tanh and blur keep zero
    new.set_weights([kernel, bias])
    bn = model.get_layer("bn")
    offsets = [ops.convert_to_numpy(w).copy() for w in bn.weights]
    offsets[1][8:10], offsets[2][8:10] = 0, 0  # the third is not zero
    bn.set_weights(offsets)
    head = model.get_layer("head")
    kernel = ops.convert_to_numpy(head.kernel).reshape(4, 8, 3).copy()
    kernel[:, 5] = 0  # nobody reads channel 5 of the bottleneck
    head.kernel.assign(kernel.reshape(32, 3))
    small = remove_zero_channels(model)
    assert _outputs(small) == {
        "first": 8,
        "new": 6,
        "bottleneck": 7,
        "head": 3,
    }
    _assert_same(model, small)


def test_a_chain_that_leads_nowhere_goes(randomise):
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 1, name="one")(inputs)
    x = layers.Conv2D(4, 1, name="two")(x)
    model = keras.Model(inputs, layers.Conv2D(2, 1, name="three")(x))
    randomise(model)
    kernel = ops.convert_to_numpy(model.get_layer("three").kernel).copy()
    kernel[:, :, 1:] = 0
    model.get_layer("three").kernel.assign(kernel)
    kernel = ops.convert_to_numpy(model.get_layer("two").kernel).copy()
    kernel[:, :, 2, 0] = 0
    model.get_layer("two").kernel.assign(kernel)
    small = remove_zero_channels(model)
    assert _outputs(small) == {"one": 3, "two": 1, "three": 2}
    _assert_same(model, small)


@pytest.mark.parametrize("shape", [(5, 6, 4), (30, 4), (6, 5, 4), (120,)])
def test_a_map_of_another_shape_loses_the_same_channels(shape, randomise):
    inputs = keras.Input((5, 6, 3))
    x = layers.Conv2D(4, 1, activation="relu", name="conv")(inputs)
    x = layers.Dense(2, name="dense")(layers.Reshape(shape)(x))
    model = randomise(keras.Model(inputs, x))
    conv = model.get_layer("conv")
    conv.set_weights([w * [1, 0, 1, 1] for w in conv.get_weights()])
    small = remove_zero_channels(model)
    assert small.get_layer("conv").filters == 3
    _assert_same(model, small)


def test_every_layer_keeps_a_channel(randomise):
    model = randomise(_shared())
    inner = next(x for x in model.layers if x.name == "block").get_layer(
        "inner"
    )
    inner.set_weights([np.zeros(w.shape) for w in inner.weights])
    small = remove_zero_channels(model)
    assert _outputs(small)["inner"] == 1
    _assert_same(model, small)


def test_an_open_gate_is_left(randomise):
    """A sigmoid of zero is not zero for a convolution that reads it."""
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 1, activation="sigmoid", name="gate")(inputs)
    x = layers.Conv2D(4, 1, name="two")(x)
    model = keras.Model(inputs, layers.Conv2D(2, 1, name="three")(x))
    randomise(model)
    masked = mask_channels(model, 0.5)
    _assert_same(masked, prune_channels(model, 0.5))
    small = prune_channels(model, 0.5)
    assert _outputs(small) == {"gate": 4, "two": 2, "three": 2}


def test_what_is_not_known_keeps_its_channels(randomise):
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 1, name="one")(inputs)
    x = layers.LayerNormalization()(x)
    x = layers.Conv2D(4, 1, activation="softmax", name="two")(x)
    x = layers.Conv2D(4, 1, groups=2, name="grouped")(x)
    model = keras.Model(inputs, layers.Conv2D(2, 1, name="three")(x))
    small = prune_channels(randomise(model), 0.5)
    assert _outputs(small) == _outputs(model)
    _assert_same(model, small)


def test_divisor_and_exclude(randomise):
    model = randomise(_residual())
    small = prune_channels(model, 0.3, divisor=4, exclude="project")
    found = _outputs(small)
    assert found["stem"] == found["project"] == 8
    assert found["expand"] == 12
    assert found["squeeze"] == 8


@pytest.mark.parametrize("network", ["MobileNetV2", "MobileNetV3Small"])
@pytest.mark.slow
def test_networks_of_keras_applications(network, randomise):
    make = getattr(keras.applications, network)
    options = {"alpha": 0.35 if network == "MobileNetV2" else 0.75}
    model = make(weights=None, input_shape=(32, 32, 3), classes=5, **options)
    randomise(model)
    masked = mask_channels(model, 0.25)
    small = remove_zero_channels(masked)
    _assert_same(masked, small)
    before = kerastl.count_multiply_adds(model)
    assert kerastl.count_multiply_adds(small) < 0.65 * before


def test_trains_on_and_loads_in_a_fresh_process(
    randomise, run_in_fresh_process, tmp_path
):
    small = prune_channels(randomise(_residual()), 0.5)
    small.compile("sgd", "mse", jit_compile=True)
    images = _images(small)
    small.fit(images, np.eye(4, 3), verbose=0)
    small.save(tmp_path / "small.keras")
    np.save(tmp_path / "images.npy", images)
    printed = run_in_fresh_process(
        """
        import sys, json, keras, numpy as np
        model = keras.models.load_model(sys.argv[1] + "/small.keras")
        outputs = model(np.load(sys.argv[1] + "/images.npy"))
        print(json.dumps(keras.ops.convert_to_numpy(outputs).tolist()))
        """,
        tmp_path,
    )
    np.testing.assert_allclose(
        json.loads(printed.splitlines()[-1]),
        ops.convert_to_numpy(small(images)),
        atol=1e-4,
    )


def test_errors():
    model = _shared()
    with pytest.raises(ValueError, match="fraction"):
        prune_channels(model, 1.0)
    with pytest.raises(ValueError, match="by"):
        prune_channels(model, by="size")
    with pytest.raises(ValueError, match="divisor"):
        prune_channels(model, divisor=0)
    with pytest.raises(ValueError, match="Did you mean 'inner'"):
        prune_channels(model, exclude=["iner"])
