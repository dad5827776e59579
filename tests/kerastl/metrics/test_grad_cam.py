import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from kerastl.metrics import grad_cam

IMAGES = np.random.default_rng(0).uniform(-1, 1, (5, 8, 8, 3))


def backbone():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same")(inputs)
    return keras.Model(inputs, x, name="backbone")


def features_of(network):
    return ops.convert_to_numpy(network(IMAGES)).astype("float64")


def rectified(maps):
    return np.maximum(maps, 0)


def test_behind_an_average_it_is_the_class_activation_map():
    body, head = backbone(), layers.Dense(4, "softmax")
    x = layers.GlobalAveragePooling2D()(body.output)
    model = keras.Model(body.input, head(layers.Dropout(0.5)(x)))
    maps = grad_cam(model, IMAGES, classes=2, batch_size=2)

    weights = ops.convert_to_numpy(head.kernel)
    expected = rectified(features_of(body) @ weights[:, 2] / 16)
    assert maps.shape == (5, 4, 4) and maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-6)
    assert expected.max() > 0.01


def test_each_image_is_asked_about_its_own_class():
    body, head = backbone(), layers.Dense(4, "softmax")
    pooled = layers.GlobalAveragePooling2D()(body.output)
    model = keras.Model(body.input, head(pooled))
    weights = ops.convert_to_numpy(head.kernel)
    features = features_of(body)

    classes = np.array([3, 0, 2, 1, 1])
    expected = np.einsum("nijk,kn->nij", features, weights[:, classes]) / 16
    np.testing.assert_allclose(
        grad_cam(model, IMAGES, classes), rectified(expected), atol=1e-6
    )
    said = (features.mean((1, 2)) @ weights).argmax(-1)
    assert len(set(said)) > 1
    np.testing.assert_array_equal(
        grad_cam(model, IMAGES), grad_cam(model, IMAGES, said)
    )


def test_reads_through_nested_models_and_a_1x1_convolution():
    # As `keras.applications.MobileNet` ends.
    body, head = backbone(), layers.Conv2D(4, 1)
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D(keepdims=True)(body(inputs))
    x = layers.Reshape((4,))(head(layers.Dropout(0.1)(x)))
    model = keras.Model(inputs, layers.Softmax()(x))
    weights = ops.convert_to_numpy(head.kernel)[0, 0]
    np.testing.assert_allclose(
        grad_cam(model, IMAGES, 1),
        rectified(features_of(body) @ weights[:, 1] / 16),
        atol=1e-6,
    )


def test_a_classifier_on_the_map_itself():
    body, head = backbone(), layers.Conv2D(4, 1)
    x = layers.GlobalAveragePooling2D()(head(body.output))
    model = keras.Model(body.input, layers.Softmax()(x))
    weights = ops.convert_to_numpy(head.kernel)[0, 0]
    np.testing.assert_allclose(
        grad_cam(model, IMAGES, 0),
        rectified(features_of(body) @ weights[:, 0] / 16),
        atol=1e-6,
    )


def test_what_stands_between_map_and_classifier_counts():
    body = backbone()
    norm, head = layers.BatchNormalization(), layers.Dense(4)
    hidden = layers.Dense(5, "relu")
    x = norm(layers.Flatten()(body.output))
    model = keras.Model(body.input, layers.Softmax()(head(hidden(x))))
    norm.gamma.assign(np.linspace(0.5, 2, 96))
    norm.moving_variance.assign(np.linspace(1, 3, 96))

    features = features_of(body)
    scale = np.linspace(0.5, 2, 96) / np.sqrt(np.linspace(1, 3, 96) + 1e-3)
    first = ops.convert_to_numpy(hidden.kernel)
    last = ops.convert_to_numpy(head.kernel)
    active = (features.reshape(5, 96) * scale) @ first > 0
    gradient = (active * last[:, 3]) @ first.T * scale
    alpha = gradient.reshape(5, 4, 4, 6).mean((1, 2))
    expected = np.einsum("nijk,nk->nij", features, alpha)
    np.testing.assert_allclose(
        grad_cam(model, IMAGES, 3), rectified(expected), atol=1e-6
    )


def test_of_one_output_0_is_what_speaks_against_it():
    body, head = backbone(), layers.Dense(1, "sigmoid")
    pooled = layers.GlobalAveragePooling2D()(body.output)
    model = keras.Model(body.input, head(pooled))
    shares = features_of(body) @ ops.convert_to_numpy(head.kernel)[:, 0] / 16
    for index, sign in ((1, 1), (0, -1)):
        np.testing.assert_allclose(
            grad_cam(model, IMAGES, index), rectified(sign * shares), atol=1e-6
        )


def test_says_why_there_is_no_map():
    inputs = keras.Input((8, 8, 3))
    flat = layers.Flatten()(inputs)
    bare = keras.Model(inputs, layers.Dense(3, "softmax")(flat))
    with pytest.raises(ValueError, match="no feature map in front"):
        grad_cam(bare, IMAGES)
    body = backbone()
    pooled = layers.GlobalAveragePooling2D()(layers.ReLU()(body.output))
    with pytest.raises(ValueError, match="no classifier"):
        grad_cam(keras.Model(body.input, pooled), IMAGES)
    x = layers.GlobalMaxPooling2D()(layers.Conv2D(4, 1)(body.output))
    highest = keras.Model(body.input, layers.Softmax()(x))
    with pytest.raises(ValueError, match="no averages of a 1x1"):
        grad_cam(highest, IMAGES)


@pytest.mark.parametrize("classes", [3, -1, 0.5, [0, 1]])
def test_refuses_classes_that_there_are_not(classes):
    body = backbone()
    x = layers.GlobalAveragePooling2D()(body.output)
    model = keras.Model(body.input, layers.Dense(3, "softmax")(x))
    with pytest.raises(ValueError, match="integers from 0 to 2"):
        grad_cam(model, IMAGES, classes)
    with pytest.raises(ValueError, match=r"shape=\(0, 8, 8, 3\)"):
        grad_cam(model, IMAGES[:0])
