"""Images that a small network learns in seconds."""

import numpy as np

from kerastl.apps.data.image_part import ImagePart


def coloured_part(generator, count, size=16, noise=155, added=100):
    """Noise of three classes: the class is the channel that is brighter.

    Args:
        generator: NumPy's, which draws the noise.
        count: Number of images, the classes in turn.
        size: Height and width.
        noise: The highest value of the noise.
        added: By how much the channel is brighter.

    Returns:
        An `ImagePart`.
    """
    labels = (np.arange(count) % 3).astype("int32")
    images = generator.uniform(0, noise, (count, size, size, 3))
    images[np.arange(count), :, :, labels] += added
    return ImagePart(labels, size, images.astype("uint8"))
