"""What a source network knows of a new task before any training."""

import keras
import numpy as np

from kerastl.export import load
from kerastl.surgery import copy_model
from kerastl.surgery import default_taps
from kerastl.surgery import feature_extractor


class ClassMeans:
    """Classifies by the nearest class mean of a network's last features.

    The baseline that a run starts from when the task is new to its source: no
    weight is trained. The features are those before the head, averaged over
    space and scaled to unit length.

    Args:
        source: The source network; it is left as it is.
        batches: Iterable of batches `(images, labels)`.
        num_classes: Number of classes.

    Example:

    ```python
    before = ClassMeans(source, train, num_classes=10)
    consistency = kerastl.metrics.shift_consistency(before, images, 96)
    ```
    """

    def __init__(self, source, batches, num_classes):
        tap = default_taps(source)[-1]
        network = feature_extractor(copy_model(source), [tap])
        pooled = keras.layers.GlobalAveragePooling2D()(network.output[tap])
        self._runner = load(keras.Model(network.input, pooled))
        sums = 0.0
        for images, labels in batches:
            marks = np.eye(num_classes)[np.asarray(labels)]
            sums = sums + marks.T @ self._features(images)
        self._means = _unit(sums)

    def __call__(self, images):
        """Returns one score a class: the cosine to the class mean."""
        return self._features(images) @ self._means.T

    def _features(self, images):
        return _unit(self._runner.predict(np.asarray(images)))


def _unit(rows):
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.maximum(length, keras.config.epsilon())
