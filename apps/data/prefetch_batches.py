"""Batches that are made while others are trained on."""

_AHEAD = 2


def prefetch_batches(batches):
    """Makes the next batches in the background, without an autotuner.

    The thread of `tf.data`'s autotuner sleeps for a time that doubles, to 0.6
    and 1.3 seconds, and the end of a pass waits for it: a short epoch would
    take up to twice its time (tests/benchmarks/short_epochs.py).

    Args:
        batches: A `tf.data.Dataset`.

    Returns:
        A `tf.data.Dataset` of the same batches.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(_AHEAD).with_options(options)
