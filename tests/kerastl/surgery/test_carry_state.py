"""Every function that copies or rewrites a network, on every kind of layer
that keeps something outside of its variables.
"""

import functools
import types
import warnings

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl import apps
from kerastl import surgery
from kerastl.surgery.feature_extractor import frozen_source
from kerastl.surgery.prune_channels import remove_zero_channels

MEAN, VARIANCE = [123.7, 116.3, 103.5], [3411.0, 3260.0, 3290.0]


class Adapted(layers.Layer):
    """Keeps what it is adapted to in attributes that Keras does not know."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.offset = None
        self.scale = 1.0
        self.tables = {"gain": [np.ones(3, "float32")]}
        self.shift = ops.zeros((3,))

    def adapt(self, data):
        self.offset = data.mean((0, 1, 2))
        self.scale = float(data.std())
        self.tables["gain"][0] = np.array([0.5, 1.5, 2.0], "float32")
        self.shift = ops.convert_to_tensor([0.1, -0.2, 0.3], "float32")

    def call(self, inputs):
        offset = 0.0 if self.offset is None else self.offset
        outputs = (inputs - offset) / self.scale * self.tables["gain"][0]
        return outputs + ops.cast(self.shift, outputs.dtype)


class Saved(layers.Layer):
    """Says itself what is to be saved, and keeps it where nobody looks."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.held = types.SimpleNamespace(factor=1.0)

    def build(self, input_shape):
        self.weight = self.add_weight(shape=(3,), initializer="ones")

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["factor"] = np.float32(self.held.factor)

    def load_own_variables(self, store):
        self.weight.assign(store["0"])
        self.held.factor = float(store["factor"])

    def call(self, inputs):
        return inputs * self.weight * self.held.factor


class Within(layers.Layer):
    """Holds layers that keep such state."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = [layers.Normalization(), Adapted()]

    def build(self, input_shape):
        for layer in self.inner:
            layer.build(input_shape)

    def call(self, inputs):
        for layer in self.inner:
            inputs = layer(inputs)
        return inputs


def _photos(seed=0):
    draw = np.random.default_rng(seed).uniform(0, 255, (6, 16, 16, 3))
    return draw.astype("float32")


def _normalization(x, **options):
    layer = layers.Normalization(**options)
    if "mean" not in options:
        layer.adapt(_photos() * [0.2, 0.5, 1.0])
    return layer(x)


def _within(x):
    layer = Within()
    outputs = layer(x)
    layer.inner[0].adapt(_photos(1))
    layer.inner[1].adapt(np.float32(_photos(2) / 255 - 0.5))
    return outputs


def _discretized(x):
    layer = layers.Discretization(num_bins=7)
    layer.adapt(_photos(3) ** 2 / 255)
    return layers.Rescaling([0.1, 0.2, 0.3], [0.0, -0.5, 1.0])(
        ops.cast(layer(x), "float32")
    )


def _saved(x):
    layer = Saved()
    outputs = layer(x)
    layer.held.factor = 1 / 128
    return outputs


def _user(x):
    layer = Adapted()
    outputs = layer(x)
    layer.adapt(_photos(4))
    return outputs


def _nested(x):
    inputs = keras.Input((16, 16, 3))
    inner = keras.Model(inputs, _normalization(inputs), name="inner")
    outer = keras.Sequential([keras.Input((16, 16, 3)), inner])
    # Shared: called twice.
    return outer(outer(x) * 50.0)


STATES = {
    "adapted": _normalization,
    "each_pixel": lambda x: _normalization(x, axis=(1, 2, 3)),
    "one_value": lambda x: _normalization(x, axis=None),
    "given": lambda x: _normalization(x, mean=MEAN, variance=VARIANCE),
    "inverted": lambda x: _normalization(x / 255.0, invert=True) / 99.0,
    "discretized": _discretized,
    "user": _user,
    "saved": _saved,
    "within": _within,
    "nested": _nested,
}


def _network(state):
    inputs = keras.Input((16, 16, 3), name="image")
    x = STATES[state](inputs)
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="stem")(x)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(name="stem_relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.Conv2D(8, 1, name="project")(y)
    x = layers.Add(name="add")([x, y])
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="down")(x)
    x = layers.ReLU(name="last")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(4, activation="softmax", name="predictions")(x)
    return keras.Model(inputs, x)


def _heads_features(model):
    return surgery.embed(kerastl.replace_head(model, num_classes=3))


def _loaded(model):
    source = surgery.copy_model(model)
    twin = surgery.copy_model(source)
    for variable in twin.weights:
        variable.assign(ops.ones_like(variable))
    return apps.load_weights_into(twin, source)


WHOLE = {
    "copy_model": surgery.copy_model,
    "antialias": lambda model: kerastl.antialias(model, kernel_size=1),
    "open_nested": surgery.open_nested,
    "add_stoch_norm": surgery.add_stoch_norm,
    "add_drop_connect": surgery.add_drop_connect,
    "add_stochastic_depth": surgery.add_stochastic_depth,
    "fold_training_layers": surgery.fold_training_layers,
    "add_gated_filters": surgery.add_gated_filters,
    "add_block_routing": surgery.add_block_routing,
    "fold_gates": lambda model: (
        kerastl.fold_gates(
            surgery.add_gated_filters(model, seed=0), _photos(9)
        ).model
    ),
    # So narrow that it leaves a map as it is.
    "add_curriculum_smoothing": lambda model: surgery.add_curriculum_smoothing(
        model, sigma=1e-3
    ),
    "prune_channels": lambda model: surgery.prune_channels(model, 0.0),
    "remove_zero_channels": remove_zero_channels,
    "prune_weights": lambda model: surgery.prune_weights(model, 0.0),
    "cluster_weights": lambda model: surgery.cluster_weights(model, 2000),
    "load_weights_into": _loaded,
}


# Each function with one layer of Keras's and one of a user's, and the first
# ones, which take a way of their own through the graph, with all.
PAIRS = [
    (state, name)
    for state in STATES
    for name in WHOLE
    if state in ("adapted", "user")
    or name in ("copy_model", "antialias", "open_nested", "load_weights_into")
]


@functools.cache
def _made(state):
    keras.utils.set_random_seed(3)
    model = _network(state)
    for variable in model.get_layer("stem_bn").weights:
        values = np.random.default_rng(5).uniform(0.5, 1.5, variable.shape)
        variable.assign(values)
    images = _photos(9)
    return model, images, ops.convert_to_numpy(model(images))


@pytest.fixture(params=STATES)
def network(request):
    return _made(request.param)


@pytest.mark.parametrize(("state", "name"), PAIRS)
def test_a_rewritten_network_computes_the_same(state, name):
    model, images, expected = _made(state)
    rewritten = WHOLE[name](model)
    assert np.ptp(expected, 0).max() > 1e-5
    np.testing.assert_allclose(rewritten(images), expected, atol=1e-5)
    # And nothing of the original has changed.
    np.testing.assert_array_equal(model(images), expected)


def test_features_are_those_of_the_network(network):
    model, images, _ = network
    expected = keras.Model(model.input, model.get_layer("pool").output)(images)
    last = keras.Model(model.input, model.get_layer("last").output)(images)
    source = frozen_source(model, ["last"])
    found = {
        "replace_head": _heads_features(model)(images),
        "embed": surgery.embed(model)(images),
    }
    for name, features in found.items():
        np.testing.assert_allclose(features, expected, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(source(images)["last"], last, atol=1e-5)


def test_statistics_are_measured_behind_the_preprocessing():
    model, images = _network("adapted"), _photos(9)
    stem = keras.Model(model.input, model.get_layer("stem").output)
    expected = ops.convert_to_numpy(stem(images)).mean((0, 1, 2))
    kerastl.reestimate_batch_norm(model, images)
    np.testing.assert_allclose(
        model.get_layer("stem_bn").moving_mean, expected, atol=1e-5
    )


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("state", ["adapted", "given", "user", "within"])
def test_quantization_aware_and_back(state):
    from kerastl import export
    from kerastl.export.diagnosis.diagnose import without_rounding

    model, images, expected = _made(state)
    with warnings.catch_warnings():
        # Of what stays in float.
        warnings.simplefilter("ignore", UserWarning)
        aware = export.quantization_aware(model, calibration=images)
    # Up to what 8 bits round.
    np.testing.assert_allclose(aware(images), expected, atol=0.06)
    plain = without_rounding(aware)
    np.testing.assert_allclose(plain(images), expected, atol=1e-5)


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("state", ["adapted", "given", "user", "within"])
def test_lowered_to_float32(state):
    from kerastl.export.runners.inference_model import lower

    keras.config.set_dtype_policy("mixed_float16")
    half = _network(state)
    keras.config.set_dtype_policy("float32")
    whole = _network(state)
    whole.set_weights(half.get_weights())
    images = _photos(9)
    lowered = lower(half).model
    # The constants are not those that were rounded to 16 bits.
    np.testing.assert_allclose(lowered(images), whole(images), atol=2e-6)


def _efficientnet():
    """With ImageNet's statistics where the published weights have them."""
    net = keras.applications.EfficientNetB0(
        weights=None, input_shape=(32, 32, 3), classes=3
    )
    [norm] = [x for x in net.layers if isinstance(x, layers.Normalization)]
    store = {
        "0": np.array([0.485, 0.456, 0.406]),
        "1": np.array([0.229, 0.224, 0.225]) ** 2,
        "2": np.array(1),
    }
    norm.load_own_variables(store)
    return net


def test_files_load_in_a_fresh_process(tmp_path, run_in_fresh_process):
    net = _efficientnet()
    start = keras.Model(
        net.input, net.get_layer("block2a_expand_activation").output
    )
    student = kerastl.antialias(start, kernel_size=1)
    large = np.repeat(np.repeat(_photos(9), 2, 1), 2, 2)
    expected = {"student": ops.convert_to_numpy(start(large))}
    np.testing.assert_allclose(
        student(large), expected["student"], rtol=1e-4, atol=1e-5
    )
    student.save(tmp_path / "student.keras")

    network, images = _network("adapted"), _photos(9)
    tuner = kerastl.FineTuner(
        surgery.copy_model(network), network, taps=["last"]
    )
    tuner.compile("sgd", "mse", [kerastl.losses.PixelLevel(1.0)])
    last = keras.Model(network.input, network.get_layer("last").output)
    expected["tuner"] = ops.convert_to_numpy(network(images))
    expected["source"] = ops.convert_to_numpy(last(images))
    tuner.save(tmp_path / "tuner.keras")

    np.savez(tmp_path / "images.npz", images=images, large=large)
    run_in_fresh_process(
        """
        import sys, keras, kerastl, numpy as np
        folder = sys.argv[1]
        data = np.load(folder + "/images.npz")
        load = keras.saving.load_model
        student = load(folder + "/student.keras")
        tuner = load(folder + "/tuner.keras")
        np.savez(
            folder + "/outputs.npz",
            student=student(data["large"]),
            tuner=tuner(data["images"]),
            source=tuner.source(data["images"])["last"],
        )
        """,
        tmp_path,
    )
    found = np.load(tmp_path / "outputs.npz")
    for name, outputs in expected.items():
        np.testing.assert_allclose(
            found[name], outputs, rtol=1e-4, atol=1e-5, err_msg=name
        )


def test_a_copy_computes_with_the_constants_that_the_original_has():
    network, images = _network("adapted"), _photos(9)
    norm = network.get_layer("normalization")
    before = ops.convert_to_numpy(network(images))
    # Assigned, and not yet worked out anew.
    norm.adapt_mean.assign([1.0, 2.0, 3.0])
    copy = surgery.copy_model(network)
    np.testing.assert_allclose(copy(images), before, rtol=1e-6)
    carried = copy.get_layer("normalization")
    assert isinstance(carried.adapt_mean, keras.Variable)
    np.testing.assert_array_equal(carried.adapt_mean, [1.0, 2.0, 3.0])
    # As the original would, the copy takes them up when it is told to.
    for layer in (norm, carried):
        layer.finalize_state()
    np.testing.assert_allclose(
        carried(images), ops.convert_to_numpy(norm(images)), rtol=1e-6
    )


@pytest.mark.slow
def test_a_whole_efficientnet():
    net = _efficientnet()
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    expected = ops.convert_to_numpy(net(images))
    for student in (
        kerastl.antialias(net, kernel_size=1),
        surgery.copy_model(net),
    ):
        np.testing.assert_allclose(student(images), expected, atol=1e-5)


def test_what_a_copy_has_is_its_own():
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, _user(inputs))
    copy = surgery.copy_model(model)
    mine, theirs = copy.layers[1], model.layers[1]
    mine.tables["gain"][0][:] = 7.0
    mine.offset += 1.0
    np.testing.assert_array_equal(theirs.tables["gain"][0], [0.5, 1.5, 2.0])
    np.testing.assert_allclose(theirs.offset, _photos(4).mean((0, 1, 2)))
