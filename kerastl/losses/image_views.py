"""Other looks at the images of a batch."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerastl.arguments import checked_flag
from kerastl.arguments import checked_number
from kerastl.arguments import checked_seed
from kerastl.types import Shape
from kerastl.types import Tensor

# What is cut out, as a share of the image: Keras takes the root of two draws
# for its sides.
_AREA = (0.02, 0.25)


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


@keras.saving.register_keras_serializable(package="kerastl")
class StrongView(keras.layers.Layer):
    """Distorts images strongly: place, colors, and a piece cut out.

    Every image is shifted and mirrored, Keras's `RandomBrightness`,
    `RandomContrast` and `RandomSaturation` move its colors, and `RandomErasing`
    makes a rectangle of it gray. These compile under XLA on all backends;
    Keras's `RandAugment` does not, because it turns and shears, and takes as
    long as a small network's training step.

    Args:
        strength: How far colors move, from 0 to 1.
        value_range: Smallest and largest value of a pixel.
        shift: Largest shift, as a share of the image.
        flip: Whether half of the images are mirrored left to right. Turn it
            off where left and right mean something.
        seed: Seed of what is drawn, an integer or `None`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    ```python
    view = kerastl.losses.StrongView(flip=False, seed=0)
    distorted = view(images)
    ```

    References:
        - Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with
          Consistency and Confidence", NeurIPS 2020, section 2.3: RandAugment
          or CTAugment, and Cutout after either. Which colors move, and how
          far, is ours.
        - Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
    """

    def __init__(
        self,
        strength: float = 0.5,
        value_range: Sequence[float] = (0.0, 255.0),
        shift: float = 0.125,
        flip: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        low, high = value_range
        if not low < high:
            raise ValueError(
                "`value_range` must rise. "
                f"Received: value_range={value_range!r}"
            )
        self.strength = checked_number("strength", strength, least=0, most=1)
        self.shift = checked_number("shift", shift, least=0, below=1)
        self.value_range = (low, high)
        self.flip = checked_flag("flip", flip)
        self.seed = seed = checked_seed("seed", seed)
        self.generator = keras.random.SeedGenerator(seed)
        half = self.strength / 2
        # Each with a seed of its own: the same would draw the same.
        options = [
            {
                "value_range": self.value_range,
                "seed": None if seed is None else seed + number,
                "dtype": "float32",
            }
            for number in range(1, 5)
        ]
        self.brightness = keras.layers.RandomBrightness(half, **options[0])
        self.contrast = keras.layers.RandomContrast(self.strength, **options[1])
        # A half leaves an image as it is. Of more, Keras makes colors that are
        # out of the range.
        self.saturation = keras.layers.RandomSaturation(
            (0.5 - half, 0.5), **options[2]
        )
        self.erasing = keras.layers.RandomErasing(
            (1.0, 1.0), _AREA, (low + high) / 2, **options[3]
        )
        self.built = True

    def call(self, images: Tensor) -> Tensor:
        images = second_view(images, self.generator, self.shift, self.flip)
        images = self.brightness(images, training=True)
        images = self.contrast(images, training=True)
        first = keras.config.image_data_format() == "channels_first"
        if images.shape[1 if first else -1] == 3:
            images = self.saturation(images, training=True)
        return self.erasing(images, training=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "strength": self.strength,
            "value_range": self.value_range,
            "shift": self.shift,
            "flip": self.flip,
            "seed": self.seed,
        }
