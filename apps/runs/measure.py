"""How good a network is on images it has not seen."""

import numpy as np

from kerastl.metrics import shift_consistency


def measure(predict, data, part, limit=None, passes=5):
    """Measures the accuracy and the shift consistency of a network.

    Args:
        predict: Function from a batch of images to one score a class, such as
            `Runner.classify` of `kerastl.export`.
        data: An `apps.ImageData`.
        part: Part to measure on, such as `"test"`.
        limit: Images to use at most for the shift consistency, the classes in
            turn. `None` uses all.
        passes: Passes over these images, with new shifts each.

    Returns:
        Dict of `accuracy`, on the centre crops, and `consistency`.
    """
    right = count = 0
    for images, labels in getattr(data, part):
        right += np.sum(predict(np.asarray(images)).argmax(-1) == labels)
        count += len(labels)
    images, _ = data.larger_images(part, limit=limit)
    return {
        "accuracy": float(right / count),
        "consistency": shift_consistency(
            lambda crops: predict(crops.astype("float32")),
            images,
            data.image_size,
            passes=passes,
        ),
    }
