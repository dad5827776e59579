"""All that a network says of a set of labelled images."""

import numpy as np


def collect_outputs(runner, batches):
    """Runs a network on all images.

    Args:
        runner: `Runner` of the network.
        batches: Iterable of `(images, labels)`.

    Returns:
        float32 array of outputs `(count, num_classes)` and int64 array of
        labels `(count,)`, in the order of the images.
    """
    outputs, labels = [], []
    for images, truth in batches:
        outputs.append(runner.predict(images))
        labels.append(np.asarray(truth, "int64"))
    return np.concatenate(outputs), np.concatenate(labels)
