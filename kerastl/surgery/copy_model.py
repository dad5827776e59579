"""An independent copy of a functional model."""

import keras

from kerastl.surgery.rebuild import rebuild


def copy_model(model: keras.Model, name: str | None = None) -> keras.Model:
    """Copies a functional model: same layers, same weights, nothing shared.

    `keras.models.clone_model` starts from fresh weights and copies `trainable`
    through the configs, so that the clone of a frozen model is frozen. Here
    weights, statistics and seeds are carried over, and every layer of the copy
    is trainable.

    Args:
        model: a functional or built sequential `keras.Model`.
        name: name of the copy. Defaults to the name of `model`.

    Returns:
        A functional `keras.Model`, not compiled.

    Raises:
        ValueError: if the model is subclassed or a layer cannot be made again
            from its config.

    Example:

    >>> source = keras.applications.MobileNetV2(alpha=0.35, weights=None)
    >>> source.trainable = False
    >>> student = kerastl.surgery.copy_model(source, name="student")
    >>> len(student.trainable_variables) == len(student.weights)
    False
    >>> len(student.trainable_variables) > 0
    True
    """
    return rebuild(model, name=name)
