import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl import replace_head

APPLICATIONS = {
    "MobileNet": ("conv_pw_13_relu", {"alpha": 0.25}),
    "MobileNetV2": ("out_relu", {"alpha": 0.35}),
    "MobileNetV3Small": (None, {}),
    "EfficientNetB0": ("top_activation", {}),
}


def _features_agree(old, new, tap, images):
    """The layers that stay compute what they did."""
    values = [
        keras.Model(m.inputs, m.get_layer(tap).output).predict(
            images, verbose=0
        )
        for m in (old, new)
    ]
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.parametrize("top", [{"classes": 7}, {"include_top": False}])
def test_applications(name, top):
    tap, arguments = APPLICATIONS[name]
    source = getattr(keras.applications, name)(
        input_shape=(64, 64, 3), weights=None, **arguments, **top
    )
    model = replace_head(source, 4)
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3))
    probabilities = model.predict(images, verbose=0)
    assert probabilities.shape == (2, 4)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    head = model.layers[-1]
    assert head.name == "head"
    assert sum(isinstance(each, layers.Dense) for each in model.layers) == 1
    if tap:
        _features_agree(source, model, tap, images)


def test_hidden_layers_of_the_head_stay():
    source = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.Flatten(name="flatten"),
            layers.Dense(6, activation="relu", name="fc1"),
            layers.Dropout(0.5, name="old_dropout"),
            layers.Dense(5, activation="softmax", name="predictions"),
        ]
    )
    model = replace_head(source, 3, dropout=0.25)
    names = [layer.name for layer in model.layers[1:]]
    assert names == ["conv", "flatten", "fc1", "head_dropout", "head"]
    assert model.get_layer("head_dropout").rate == 0.25
    images = np.ones((1, 8, 8, 3))
    _features_agree(source, model, "fc1", images)
    # By hand: softmax of the features times the new weights.
    features = keras.Model(source.inputs, source.get_layer("fc1").output)
    kernel, bias = model.get_layer("head").get_weights()
    scores = np.exp(features.predict(images, verbose=0) @ kernel + bias)
    np.testing.assert_allclose(
        model.predict(images, verbose=0), scores / scores.sum(), rtol=1e-5
    )


@pytest.mark.parametrize("last", ["linear", "softmax", "sigmoid"])
def test_logits_and_probabilities_are_heads(last):
    inputs = keras.Input((4, 4, 2))
    x = layers.GlobalAveragePooling2D()(inputs)
    source = keras.Model(inputs, layers.Dense(9, activation=last)(x))
    model = replace_head(source, 3)
    assert model.get_layer("head").kernel.shape == (2, 3)


def test_a_hidden_dense_layer_is_a_feature():
    inputs = keras.Input((4, 4, 2))
    x = layers.GlobalAveragePooling2D()(inputs)
    source = keras.Model(inputs, layers.Dense(9, activation="relu")(x))
    assert replace_head(source, 3).get_layer("head").kernel.shape == (9, 3)


def test_convolution_in_front_of_the_pooling():
    """SqueezeNet: 1x1 convolution, ReLU, pooling, softmax."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(5, 3, activation="relu", name="fire")(inputs)
    x = layers.Conv2D(9, 1, activation="relu", name="classes")(x)
    x = layers.GlobalAveragePooling2D()(x)
    source = keras.Model(inputs, layers.Softmax()(x))
    model = replace_head(source, 3)
    assert [layer.name for layer in model.layers[1:]] == [
        "fire",
        "head_pool",
        "head",
    ]


def test_nested_backbone_and_nested_classifier(make_network, images):
    source = make_network()
    backbone = keras.Model(source.input, source.get_layer("out_relu").output)
    sequential = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            backbone,
            layers.GlobalAveragePooling2D(),
            layers.Dense(6, activation="softmax"),
        ]
    )
    inputs = keras.Input((16, 16, 3))
    scaled = layers.Rescaling(1 / 255)(inputs)
    wrapped = keras.Model(inputs, source(scaled))
    headless = keras.Model(inputs, backbone(scaled))
    for model in (sequential, wrapped, headless):
        new = replace_head(model, 4, seed=0)
        assert new.output_shape == (None, 4)
        assert new.get_layer("head").kernel.shape == (12, 4)
        assert new.predict(images, verbose=0).shape == (24, 4)


def test_twice(make_network):
    once = replace_head(make_network(), 5, dropout=0.2)
    twice = replace_head(once, 3, dropout=0.1)
    assert twice.output_shape == (None, 3)
    assert len(twice.layers) == len(once.layers)
    assert twice.get_layer("head_dropout").rate == 0.1


def test_independent_copy_with_nothing_frozen(make_network):
    source = make_network()
    source.trainable = False
    model = replace_head(source, 3, name="student")
    assert model.name == "student"
    assert len(model.trainable_variables) == 4 * 3 + 2
    kernel = model.get_layer("stem_conv").kernel
    before = source.get_layer("stem_conv").kernel.numpy().copy()
    kernel.assign(kernel.numpy() + 1)
    np.testing.assert_array_equal(
        source.get_layer("stem_conv").kernel.numpy(), before
    )


def test_seed(make_network):
    source = make_network()
    first, second, other = (
        replace_head(source, 3, seed=seed).get_layer("head").kernel.numpy()
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0


def test_head_is_float32_under_mixed_precision(make_network):
    keras.config.set_dtype_policy("mixed_float16")
    model = replace_head(make_network(), 3)
    assert model.get_layer("head").compute_dtype == "float32"
    assert model.get_layer("stem_conv").compute_dtype == "float16"


def test_reloads_and_trains(make_network, images, labels, tmp_path):
    model = replace_head(kerastl.antialias(make_network()), 3, dropout=0.1)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(images, labels, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        model.predict(images, verbose=0),
        again.predict(images, verbose=0),
        atol=1e-6,
    )


def test_errors(make_network):
    with pytest.raises(ValueError, match="at least 2"):
        replace_head(make_network(), 1)
    inputs = keras.Input((8, 3))
    with pytest.raises(ValueError, match="no features"):
        replace_head(keras.Model(inputs, layers.Conv1D(4, 3)(inputs)), 3)
    network = make_network()
    two = keras.Model(
        network.input, [network.output, network.get_layer("pool").output]
    )
    with pytest.raises(ValueError, match="2 outputs"):
        replace_head(two, 3)


@pytest.mark.parametrize("classes", [np.int64(4), np.uint8(4), np.array(4)])
def test_numbers_of_numpy_count_classes(make_network, classes):
    assert replace_head(make_network(), classes).output_shape == (None, 4)


@pytest.mark.parametrize("classes", [4.0, True, "4", None, np.float32(4)])
def test_what_counts_no_classes(make_network, classes):
    with pytest.raises(ValueError, match="Received: num_classes="):
        replace_head(make_network(), classes)


def test_the_body_has_layers_of_the_heads_names():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="head")(inputs)
    x = layers.MaxPooling2D(name="head_pool")(x)
    x = layers.Dropout(0.3, name="head_dropout")(x)
    x = layers.Conv2D(5, 1, name="last")(x)
    x = layers.GlobalAveragePooling2D()(x)
    source = keras.Model(inputs, layers.Dense(9, activation="softmax")(x))
    headless = keras.Model(inputs, source.get_layer("last").output)
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    for model in (source, headless):
        new = replace_head(model, 3, dropout=0.2)
        assert new.get_layer("head").kernel.shape == (3, 3, 3, 4)
        assert new.get_layer("head_dropout").rate == 0.3
        assert new.layers[-1].name == "head_1"
        assert new.get_layer("head_dropout_1").rate == 0.2
        _features_agree(model, new, "last", images)
