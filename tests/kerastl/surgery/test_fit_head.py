import contextlib
import importlib

import keras
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import kerastl
from kerastl.surgery.fit_head import fit_classifier

_CENTRES = np.random.default_rng(7).normal(size=(3, 4, 4, 3))


def _images(counts, seed=0):
    """Noisy images around one centre a class, `counts[k]` of class k."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    noise = generator.normal(size=(len(labels), 4, 4, 3))
    return (_CENTRES[labels] + noise).astype("float32"), labels


def _network(classes, activation="softmax", convolution=False):
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu")(inputs)
    x = keras.layers.BatchNormalization()(x)
    if convolution:
        x = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = keras.layers.Conv2D(classes, 1, name="head")(x)
        x = keras.layers.Reshape((classes,))(x)
        return keras.Model(inputs, keras.layers.Softmax()(x))
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(classes, activation=activation, name="head")(x)
    return keras.Model(inputs, x)


def _optimum_gap(network, images, labels, inverse_strength):
    """How far the head is from where the penalized loss has no slope.

    In features of variance 1: the mean over the photos of (share - target) x
    feature, and the weight over strength and photos, cancel at the optimum.
    """
    embeddings = kerastl.surgery.embed(network).predict(images, verbose=0)
    features = embeddings.astype("float64")
    scale = features.std()
    points = (features - features.mean(0)) / scale
    shares = network.predict(images, verbose=0).astype("float64")
    error = shares - np.eye(shares.shape[1])[labels]
    kernel = network.get_layer("head").get_weights()[0]
    kernel = kernel.reshape(kernel.shape[-2:]) * scale
    slope = inverse_strength * points.T @ error + kernel
    return np.abs(slope).max(), np.abs(error.sum(0)).max()


@pytest.mark.parametrize("convolution", [False, True])
def test_ends_where_the_penalized_loss_is_flat(convolution):
    images, labels = _images([12, 9, 15])
    network = _network(3, convolution=convolution)
    found = kerastl.fit_head(network, (images, labels))
    slope, share = _optimum_gap(network, images, labels, found.inverse_strength)
    assert slope < 2e-2
    assert share < 2e-2


def test_two_classes_are_fitted_too():
    images, labels = _images([20, 20])
    network = _network(2)
    found = kerastl.fit_head(network, (images, labels))
    predicted = network.predict(images, verbose=0)
    # The log-odds of the difference, whose penalty is spread over two rows.
    _, share = _optimum_gap(network, images, labels, found.inverse_strength)
    assert share < 2e-2
    assert np.mean(predicted.argmax(-1) == labels) > 0.9


def test_only_the_classifier_changes():
    images, labels = _images([6, 6, 6])
    network = _network(3)
    before = [weight.copy() for weight in network.get_weights()]
    kerastl.fit_head(network, (images, labels))
    after = network.get_weights()
    for old, new in zip(before[:-2], after[:-2], strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.abs(before[-2] - after[-2]).max() > 1e-3


def test_accuracy_is_of_photos_that_the_fit_had_not_seen():
    images, _ = _images([30, 30, 30])
    # Labels that nothing in the photos tells: chance, not what is learned.
    labels = np.random.default_rng(1).permutation(np.arange(90) % 3)
    found = kerastl.fit_head(_network(3), (images, labels))
    assert 0.15 < found.accuracy < 0.5
    assert found.inverse_strength == pytest.approx(1e-4)


def test_cross_validation_prefers_a_strength_that_fits_the_task():
    images, labels = _images([30, 30, 30])
    found = kerastl.fit_head(_network(3), (images, labels))
    assert found.accuracy > 0.6
    assert found.inverse_strength > 1e-3


def test_same_seed_same_fit_whatever_the_form_of_the_data():
    images, labels = _images([8, 8, 8])
    weights = []
    for data in (
        (images, labels),
        [(images[:10], labels[:10]), (images[10:], labels[10:])],
        (images, np.eye(3)[labels]),
    ):
        network = _network(3)
        network.set_weights(
            [np.full_like(w, 0.1) for w in network.get_weights()[:2]]
            + network.get_weights()[2:]
        )
        kerastl.fit_head(network, data, seed=3)
        weights.append(network.get_layer("head").get_weights()[0])
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-4)
    np.testing.assert_allclose(weights[0], weights[2], atol=1e-4)


def test_one_photo_of_a_class_is_fitted_without_cross_validation():
    images, labels = _images([1, 5, 5])
    network = _network(3)
    found = kerastl.fit_head(network, (images, labels))
    assert found.accuracy is None
    # What cross-validation chooses elsewhere, for features of variance 1.
    assert found.inverse_strength == pytest.approx(0.0316228)
    predicted = network.predict(images, verbose=0).argmax(-1)
    assert np.mean(predicted[1:] == labels[1:]) == 1.0


def test_identical_photos_leave_even_chances():
    images = np.ones((9, 4, 4, 3), "float32")
    network = _network(3)
    kerastl.fit_head(network, (images, np.arange(9) % 3))
    np.testing.assert_allclose(
        network.predict(images[:1], verbose=0), 1 / 3, atol=1e-4
    )


def test_bad_data_is_refused():
    images, labels = _images([6, 6, 6])
    with pytest.raises(ValueError, match="at least one image.*2: 0"):
        kerastl.fit_head(_network(3), (images[:12], labels[:12]))
    with pytest.raises(ValueError, match="classifier of 2 classes"):
        kerastl.fit_head(_network(2), (images, labels))
    images[3, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        kerastl.fit_head(_network(3), (images, labels))


def test_the_strengths_that_are_tried_and_the_folds(monkeypatch):
    """Half powers of ten from 1e-4 to 10, on five folds, or two of many."""
    module = importlib.import_module(fit_classifier.__module__)
    tried = []

    def likelihood(points, labels, folds, strength):
        tried.append((strength, folds.n_splits, folds.random_state))
        # Best at one place, whatever the data.
        return -abs(np.log10(strength) + 2), 0.5

    monkeypatch.setattr(module, "_likelihood", likelihood)
    points = np.random.default_rng(0).normal(size=(60, 2))
    for count, labels, folds in (
        (12, np.arange(12) % 2, 5),
        (12, np.arange(12) // 9, 3),
        (12, np.arange(12) // 10, 2),
    ):
        tried.clear()
        _, _, found = fit_classifier(points[:count], labels, seed=7)
        assert found == (pytest.approx(0.01), 0.5)
        assert [each[1:] for each in tried] == [(folds, 7)] * 11
        np.testing.assert_allclose(
            np.log10([strength for strength, *_ in tried]),
            np.arange(-4, 1.1, 0.5),
        )
    tried.clear()
    many = np.tile(points, (20, 1))
    fit_classifier(many[:1001], np.arange(1001) % 2)
    assert {each[1:] for each in tried} == {(2, 0)}


def test_equal_features_have_no_scale():
    rows, offsets, _ = fit_classifier(np.ones((6, 3)), np.arange(6) % 2)
    np.testing.assert_allclose(rows, 0, atol=1e-6)
    np.testing.assert_allclose(offsets, 0, atol=1e-6)


def test_of_a_fit_that_ends_early_nothing_is_said(recwarn, monkeypatch):
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 25)
    # One feature that tells the classes, beside one that drowns it.
    features = random.normal(size=(250, 400)) * np.geomspace(1e-3, 1, 400)
    features[:, 0] += 3 * labels
    features[:, -1] *= 50
    quiet = fit_classifier(features, labels)
    assert not recwarn.list
    module = importlib.import_module("kerastl.surgery.fit_head")
    monkeypatch.setattr(module, "early_ends", contextlib.nullcontext)
    with pytest.warns(ConvergenceWarning):
        loud = fit_classifier(features, labels)
    np.testing.assert_array_equal(quiet[0], loud[0])
