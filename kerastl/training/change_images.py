"""Training on other images than the data's."""

import contextlib

import keras

from kerastl.data.batches import one_hot
from kerastl.training.training_batch import only
from kerastl.training.training_batch import read_batch


def change_images(tuner, terms, *state_and_data):
    """Lets terms change the images of a step, before anything else sees them.

    Args:
        tuner: A `FineTuner`.
        terms: Transfer losses that change images.
        *state_and_data: What the backend's `train_step` gets: with JAX the
            values of the variables, and the data.

    Returns:
        The same, the images changed.
    """
    *state, data = state_and_data
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    batch = read_batch(x)
    with _values_of_step(tuner, state) as scope:
        changed = _changed(batch, terms, y, tuner.student)
    x = changed["images"] if batch.images is x else {**x, **changed}
    if state:
        state = [_updated(tuner, state[0], scope)]
    return (*state, keras.utils.pack_x_y_sample_weight(x, y, sample_weight))


def _changed(batch, terms, y, student):
    """The fields of the batch that terms change, and how they leave them."""
    images, unlabelled = only(batch.images), batch.unlabelled
    for term in terms:
        if term.changes_images:
            labels = one_hot(only(y), student.outputs[0])
            images = term.change_images(images, labels, student)
        # A batch without any is refused where all that terms need is checked.
        if term.changes_unlabelled and unlabelled is not None:
            unlabelled = term.change_unlabelled(unlabelled)
    images = keras.tree.pack_sequence_as(
        batch.images, keras.tree.flatten(images)
    )
    if unlabelled is batch.unlabelled:
        return {"images": images}
    return {
        "images": images,
        "unlabelled": unlabelled,
        "unchanged": batch.unlabelled,
    }


def _values_of_step(tuner, state):
    """Lets variables have their values of the step, where it gets them."""
    if not state:
        return contextlib.nullcontext()
    trainable, fixed, *_ = state[0]
    variables = [*tuner.trainable_variables, *tuner.non_trainable_variables]
    return keras.StatelessScope(
        state_mapping=list(zip(variables, [*trainable, *fixed], strict=True))
    )


def _updated(tuner, state, scope):
    """The state with what terms changed in it: their random generators."""
    trainable, _, *others = state
    fixed = [
        scope.get_current_value(variable)
        for variable in tuner.non_trainable_variables
    ]
    return (trainable, fixed, *others)
