"""Layers in float32, whatever precision a training has set."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def float32_policy() -> Iterator[None]:
    """Sets Keras's dtype policy for the block, or the function it decorates.

    A network is rewritten on its way to a file. Layers that are made then, and
    say no dtype, take that of the process: after a training in mixed precision
    they would compute in float16, which no file has an operator for.
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
