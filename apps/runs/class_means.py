"""What a source network knows of a new task before any training."""

import numpy as np

from kerastl.export import load
from kerastl.surgery.feature_extractor import embed
from kerastl.surgery.imprint_head import unit_rows


class ClassMeans:
    """Classifies by the nearest class mean of a network's last features.

    The baseline that a run starts from when the task is new to its source: no
    weight is trained. The features are those before the head, scaled to unit
    length.

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
        self._runner = load(embed(source))
        sums = 0.0
        for images, labels in batches:
            marks = np.eye(num_classes)[np.asarray(labels)]
            sums = sums + marks.T @ self._features(images)
        self._means = unit_rows(sums)

    def __call__(self, images):
        """Returns one score a class: the cosine to the class mean."""
        return self._features(images) @ self._means.T

    def _features(self, images):
        return unit_rows(self._runner.predict(np.asarray(images)))
