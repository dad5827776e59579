"""The labels that a training takes, and the loss that takes them."""

import keras


def in_form(dataset, setting):
    """The batches with one-hot labels, where a training takes those.

    Args:
        dataset: A `tf.data.Dataset` of batches of images, labels and perhaps
            weights, or `None`.
        setting: The `Setting`.

    Returns:
        Such a dataset, or `None`.
    """
    if dataset is None or not setting.one_hot:
        return dataset
    import tensorflow as tf

    classes = setting.student.output_shape[-1]

    def change(x, y, *weights):
        if not y.dtype.is_floating:
            y = tf.one_hot(y, classes, dtype=tf.float32)
        return (x, y, *weights)

    return dataset.map(change)


def crossentropy(setting):
    """The loss of the labels."""
    smoothing = setting.options.label_smoothing
    if setting.student.output_shape[-1] == 1:
        return keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
    if setting.one_hot:
        return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    return "sparse_categorical_crossentropy"
