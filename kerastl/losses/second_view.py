"""Another look at the images of a batch: shifted and mirrored."""

import keras
from keras import ops


def second_view(images, generator, shift=0.125, flip=True):
    """Shifts every image by a random whole number of pixels, and mirrors it.

    What comes in from outside repeats the edge. The operations compile under
    XLA, which Keras's random translation does not.

    Args:
        images: `(batch, height, width, channels)`, or channels first when
            Keras is set so.
        generator: A `keras.random.SeedGenerator`.
        shift: Largest shift, as a share of height and width.
        flip: Whether half of the images are mirrored left to right.

    Returns:
        Images of the same shape and dtype.
    """
    first = 2 if keras.config.image_data_format() == "channels_first" else 1
    for axis in (first, first + 1):
        size = images.shape[axis]
        most = int(round(shift * size))
        count = ops.shape(images)[0]
        moved = ops.arange(size)[None] + keras.random.randint(
            (count, 1), -most, most + 1, seed=generator
        )
        places = ops.clip(moved, 0, size - 1)
        if flip and axis == first + 1:
            mirrored = keras.random.uniform((count, 1), seed=generator) < 0.5
            places = ops.where(mirrored, size - 1 - places, places)
        shape = [1, 1, 1, 1]
        shape[axis] = size
        index = ops.reshape(places, (-1, *shape[1:]))
        images = ops.take_along_axis(
            images, ops.broadcast_to(index, ops.shape(images)), axis=axis
        )
    return images
