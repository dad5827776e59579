import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.surgery import feature_extractor
from kerastl.surgery.feature_extractor import embed
from kerastl.surgery.feature_extractor import pool

IMAGES = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype("float32")


def _inner(name="inner"):
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, padding="same", name=f"{name}_conv")(inputs)
    x = layers.ReLU(name=f"{name}_relu")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name=f"{name}_end")(x))


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(2, 6, 6, 2))


def test_flat_model(images):
    model = _inner()
    output, features = feature_extractor(
        model, ["inner_relu", "inner_conv"], include_output=True
    )(images)
    conv = keras.ops.convert_to_numpy(features["inner_conv"])
    kernel, bias = model.get_layer("inner_conv").get_weights()
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), axis=(1, 2)
    )
    by_hand = np.einsum("bhwcij,ijco->bhwo", windows, kernel) + bias
    np.testing.assert_allclose(conv, by_hand, atol=1e-5)
    np.testing.assert_array_equal(features["inner_relu"], np.maximum(conv, 0))
    np.testing.assert_allclose(
        output, model.predict(images, verbose=0), atol=1e-6
    )


def test_an_output_in_a_list_comes_without_it_as_from_the_model(images):
    inner = _inner()
    model = keras.Model(inner.inputs, [inner.outputs[0]])
    extractor = feature_extractor(model, ["inner_relu"], include_output=True)
    output, _ = extractor(images)
    np.testing.assert_array_equal(output, model(images), strict=True)


def test_shares_layers_and_leaves_the_model_as_it_was(images, tmp_path):
    model = keras.Sequential([keras.Input((6, 6, 2)), _inner(), _inner("b")])
    before = model.to_json()
    extractor = feature_extractor(model, ["b_relu", "inner_relu"])
    assert model.to_json() == before
    assert {id(v) for v in extractor.variables} <= {
        id(v) for v in model.variables
    }
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        again.predict(images, verbose=0), model.predict(images, verbose=0)
    )


def test_two_levels_down_and_a_second_time(images):
    inner = _inner()
    middle = keras.Sequential([keras.Input((6, 6, 2)), inner], name="middle")
    inputs = keras.Input((6, 6, 2))
    outer = keras.Model(inputs, layers.ReLU(name="last")(middle(inputs)))
    expected = feature_extractor(inner, ["inner_relu"])(images)["inner_relu"]
    for _ in range(2):
        output, features = feature_extractor(
            outer, ["last", "inner_relu", "middle"], include_output=True
        )(images)
        assert list(features) == ["last", "inner_relu", "middle"]
        np.testing.assert_array_equal(features["inner_relu"], expected)
        np.testing.assert_array_equal(features["last"], output)
        np.testing.assert_array_equal(np.maximum(features["middle"], 0), output)


def test_training_reaches_nested_layers(make_network, images):
    inner = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Dropout(0.999, seed=1, name="drop")]
    )
    model = keras.Sequential([keras.Input((6, 6, 2)), inner])
    extractor = feature_extractor(model, ["drop"])
    off = extractor(images, training=False)["drop"]
    np.testing.assert_allclose(off, images, rtol=1e-6)
    on = keras.ops.convert_to_numpy(extractor(images, training=True)["drop"])
    assert np.mean(on == 0) > 0.9


def test_unknown_name():
    with pytest.raises(ValueError, match="Did you mean 'inner_relu'"):
        kerastl.surgery.feature_extractor(_inner(), ["inner_rel"])


def test_feature_maps_are_averaged_over_space():
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, name="features")(inputs)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    x = layers.Flatten()(layers.Conv2D(3, 1, name="head")(x))
    model = keras.Model(inputs, layers.Softmax()(x))
    found = embed(model)
    assert found.output_shape == (None, 4)
    expected = model.get_layer("features")(IMAGES)
    np.testing.assert_allclose(
        found(IMAGES), np.mean(expected, axis=(1, 2)), rtol=1e-5, atol=1e-6
    )


def test_vectors_stay_and_layers_are_shared():
    inputs = keras.Input((6, 6, 2))
    x = layers.Dense(5, activation="relu", name="hidden")(
        layers.Flatten()(inputs)
    )
    x = layers.Dropout(0.5)(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    found = embed(model)
    assert found.output_shape == (None, 5)
    hidden = model.get_layer("hidden")
    hidden.set_weights([np.ones((72, 5)), np.arange(5.0)])
    expected = IMAGES.reshape(3, -1).sum(1)[:, None] + np.arange(5)
    np.testing.assert_allclose(
        found(IMAGES), np.maximum(expected, 0), rtol=1e-4, atol=1e-4
    )


def test_only_maps_are_pooled():
    for shape, pooled in (((4,), (4,)), ((5, 5, 4), (4,)), ((5, 4), (5, 4))):
        assert pool(keras.Input(shape)).shape == (None, *pooled)
