"""What a network says of one batch, however many replicas it has."""

import keras

from kerastl.data.batch_inputs import readable


def predict_batch(model, images):
    """`model.predict_on_batch(images)`, one answer an image.

    Of a model that was made under a distribution strategy, Keras asks every
    replica about the whole batch, and returns all their answers one behind the
    other.

    Args:
        model: A `keras.Model`.
        images: A batch of what it reads, of `tf.data` on any backend.

    Returns:
        NumPy arrays in the structure of the model's outputs.
    """
    images = readable(images)
    count = keras.tree.flatten(images)[0].shape[0]
    return keras.tree.map_structure(
        lambda rows: rows[:count], model.predict_on_batch(images)
    )
