import keras
import numpy as np
import pytest

from kerastl.apps.runs.measure_network import ClassMeans

pytestmark = pytest.mark.tensorflow_only


def make_source():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(inputs)
    x = keras.layers.ReLU(name="features")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(7)(x))


def test_scores_are_cosines_to_the_class_means():
    source = make_source()
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (12, 8, 8, 3)).astype("float32")
    labels = np.arange(12) % 3
    batches = [(images[:5], labels[:5]), (images[5:], labels[5:])]
    scores = ClassMeans(source, batches, 3)(images)

    network = keras.Model(source.input, source.get_layer("features").output)
    features = network(images).numpy().mean(axis=(1, 2))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    means = np.stack([features[labels == label].mean(0) for label in range(3)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(scores, features @ means.T, atol=1e-5)
