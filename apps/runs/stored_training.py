"""Training a classifier on features that are computed once."""

import itertools

import numpy as np

import kerastl
from kerastl.apps.data.image_pipeline import batch_bounds
from kerastl.apps.data.image_pipeline import evaluation_batches
from kerastl.apps.data.image_pipeline import prefetch_batches
from kerastl.apps.recipes.recipe import nothing
from kerastl.apps.recipes.recipe import same_dataset
from kerastl.apps.recipes.recipe import same_student


def trains_on_features(recipe, data) -> bool:
    """Whether the same images give the head the same features every epoch."""
    return (
        recipe.trainable == "head"
        and recipe.batch_norm == "freeze"
        and recipe.surgery is same_student
        and recipe.regularizer is None
        and recipe.transfer_losses is nothing
        and recipe.dataset is same_dataset
        and data.augmentation is None
    )


def stored_training(student, data, validate):
    """Stores what the head of `student` reads, for training and validation.

    Args:
        student: The network whose head is trained.
        data: An `apps.ImageData` without augmentation.
        validate: Whether the validation part is wanted.

    Returns:
        The top of the student, which shares its layers; the training batches,
        in the order in which `data` draws images; and the validation batches,
        or `None`.
    """
    part = data.parts["train"]
    crops = evaluation_batches(part, data.image_size, data.batch_size)
    stored = kerastl.store_features(student, None, crops)
    train = _in_drawn_order(stored, data)
    if not validate or data.validation is None:
        return stored.top, train, None
    kept = kerastl.store_features(student, None, data.validation)
    return stored.top, train, _dataset(kept, data.batch_size)


def _dataset(stored, batch_size):
    import tensorflow as tf

    rows = tf.data.Dataset.from_tensor_slices((stored.features, stored.labels))
    return prefetch_batches(rows.batch(batch_size))


def _in_drawn_order(stored, data):
    """Batches in the order of `training_batches`, anew in every pass."""
    import tensorflow as tf

    count = len(stored.labels)
    bounds = batch_bounds(count, data.batch_size)

    def draw():
        epoch, data.next_epoch = data.next_epoch, data.next_epoch + 1
        order = np.random.default_rng((data.seed, epoch)).permutation(count)
        for start, end in itertools.pairwise(bounds):
            places = order[start:end]
            yield stored.features[places], stored.labels[places]

    signature = tuple(
        tf.TensorSpec((None, *values.shape[1:]), values.dtype)
        for values in (stored.features, stored.labels)
    )
    batches = tf.data.Dataset.from_generator(draw, output_signature=signature)
    steps = len(bounds) - 1
    return prefetch_batches(
        batches.apply(tf.data.experimental.assert_cardinality(steps))
    )
