"""Keras's augmentation layers in the input pipeline, drawn by a seed alone.

The layers count up generators of their own: what a batch draws would depend
on how many were made before it, and on the order in which threads make them.
Here it follows from the batch's seed, so that a training that is resumed sees
the images that an uninterrupted one would.
"""

import keras

# Keeps clear of the draws of the crops, which take the seed as it is.
_OFFSET = 2


class StrongAugmentation:
    """Changes batches of images by what an `Augmentation` says beside crops.

    It is made outside of the dataset, and called in its `map`.

    Args:
        augmentation: An `Augmentation`.
        image_size: Height and width of the images.
        num_classes: Number of classes.
    """

    def __init__(self, augmentation, image_size, num_classes):
        self._classes = num_classes
        self._mixes = augmentation.mixes
        self._seeds = _BatchSeeds(0)
        # The batches are channels last, whatever Keras is set to, and none of
        # the layers draws from a generator of its own.
        options = {"seed": 0, "data_format": "channels_last"}
        options["dtype"] = "float32"
        self._rand_augment = self._erasing = None
        if augmentation.rand_augment:
            self._rand_augment = SeededRandAugment(
                self._seeds, factor=augmentation.rand_augment, **options
            )
            self._rand_augment.build((None, image_size, image_size, 3))
        if augmentation.random_erasing:
            share = augmentation.random_erasing
            # One number stands for a share that is drawn, too.
            self._erasing = keras.layers.RandomErasing(
                (share, share), **options
            )
        self._mixers = []
        if augmentation.mixup:
            self._mixers.append(
                keras.layers.MixUp(augmentation.mixup, **options)
            )
        if augmentation.cutmix:
            # Likewise; a number near 0 would make shares that are none.
            self._mixers.append(
                keras.layers.CutMix(
                    (augmentation.cutmix, augmentation.cutmix), **options
                )
            )

    def __call__(self, images, labels, seed):
        """Changes a batch.

        Args:
            images: float32 `(batch, height, width, channels)` from 0 to 255.
            labels: int32 `(batch,)`.
            seed: int64 `(2,)`.

        Returns:
            Images of the same shape, and the labels: as they are, or float32
            `(batch, classes)` where images are mixed.
        """
        import tensorflow as tf

        seed = tf.cast(seed, tf.int64) + [_OFFSET, 0]
        if self._rand_augment is not None:
            images = self._distort(images, seed)
        self._seeds.begin(seed + [1, 0])
        if self._erasing is not None:
            images, _ = self._apply(self._erasing, images)
        if not self._mixes:
            return images, labels
        labels = tf.one_hot(labels, self._classes, dtype=tf.float32)
        if len(self._mixers) == 1:
            return self._apply(self._mixers[0], images, labels)
        number = tf.random.stateless_uniform((), seed, 0, 2, tf.int32)
        return tf.switch_case(
            number,
            [
                lambda mixer=mixer: self._apply(mixer, images, labels)
                for mixer in self._mixers
            ],
        )

    def _distort(self, images, seed):
        """Every image by operations of its own: Keras draws them once."""
        import tensorflow as tf

        seeds = tf.random.stateless_uniform(
            (tf.shape(images)[0], 2), seed, None, None, tf.int32
        )

        def distort(image_and_seed):
            image, own = image_and_seed
            self._seeds.begin(own)
            changed, _ = self._apply(self._rand_augment, image[None])
            return tf.ensure_shape(changed[0], image.shape)

        return tf.map_fn(
            distort, (images, seeds), fn_output_signature=tf.float32
        )

    def _apply(self, layer, images, labels=None):
        # Keras does so by itself where a layer is called.
        layer.backend.set_backend("tensorflow")
        drawn = layer.get_random_transformation(
            images, training=True, seed=self._seeds
        )
        shape = images.shape
        images = layer.transform_images(images, drawn, training=True)
        images.set_shape(shape)
        if labels is not None:
            labels = layer.transform_labels(labels, drawn, training=True)
        return images, labels


class SeededRandAugment(keras.layers.RandAugment):
    """`keras.layers.RandAugment` that draws from a generator it is given.

    It computes the operation that was drawn, where Keras computes all eleven
    and takes one: the images are the same, in a tenth of the time.

    Args:
        seeds: A `keras.random.SeedGenerator`.
        **options: As in `keras.layers.RandAugment`.
    """

    def __init__(self, seeds, **options):
        super().__init__(**options)
        self.seeds = seeds

    def _get_seed_generator(self, backend=None):
        return self.seeds

    def transform_images(self, images, transformation, training=True):
        import tensorflow as tf

        drawn = transformation["transforms"]
        for place in range(self.num_ops):
            images = tf.switch_case(
                transformation["layer_idxes"][place],
                [
                    lambda name=name, values=values, images=images: getattr(
                        self, name
                    ).transform_images(images, values)
                    for name, values in drawn.items()
                ],
            )
        return images


class _BatchSeeds(keras.random.SeedGenerator):
    """Seeds that follow from that of a batch, in the order they are asked."""

    def begin(self, seed):
        self._batch_seed, self._asked = seed, 0

    def next(self, ordered=True):
        import tensorflow as tf

        self._asked += 1
        first, second = tf.unstack(tf.cast(self._batch_seed, tf.uint32))
        return tf.stack([first, second + self._asked])
