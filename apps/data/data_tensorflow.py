"""TensorFlow, where it only makes the batches."""

import contextlib


def data_tensorflow():
    """Imports TensorFlow, and leaves accelerators to Keras's own backend.

    TensorFlow takes all the memory of the GPUs that it sees with its first
    tensor. Where Keras runs on another backend, that needs it.

    Returns:
        The module `tensorflow`.
    """
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        # Too late where TensorFlow has started: then the user wants it so.
        with contextlib.suppress(RuntimeError):
            tf.config.set_visible_devices([], "GPU")
    return tf
