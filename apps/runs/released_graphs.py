"""Lets go of what TensorFlow keeps of a training for good."""

import contextlib

import keras


@contextlib.contextmanager
def released_graphs():
    """Forgets the gradients that graphs made in the block gave to TensorFlow.

    On TensorFlow every optimizer of Keras all-reduces the gradients, which
    defines a gradient of its own (`tf.custom_gradient`). TensorFlow keeps
    these by name for the life of the process, and with each the graph of the
    step, 45 MB where a network is small. Who trains often in one process runs
    out of memory. A graph that is built already does not look them up again.

    On other backends nothing is done.
    """
    before = set(_registry())
    try:
        yield
    finally:
        forget_gradients(before)


def forget_gradients(kept=()):
    """Forgets the gradients that graphs defined, except those in `kept`."""
    registry = _registry()
    for name in [name for name in registry if name not in kept]:
        if name.startswith("CustomGradient-"):
            del registry[name]


def _registry():
    if keras.backend.backend() != "tensorflow":
        return {}
    from tensorflow.python.framework import ops

    # There is no public way to it.
    return getattr(ops.gradient_registry, "_registry", {})
