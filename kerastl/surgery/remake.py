"""A layer made again from its config."""

import keras


def remake(operation, config=None):
    """Makes a layer or operation anew, without its state.

    The function of a `keras.layers.Lambda` is at hand and used again. Keras
    would make it from its code, which it refuses to do for good reasons where
    that comes from a file.

    Args:
        operation: a `keras.Layer` or `keras.Operation`.
        config: the config to make it from. Defaults to its own.
    """
    if type(operation) is keras.layers.Lambda:
        dtype = operation.dtype_policy if config is None else config["dtype"]
        return keras.layers.Lambda(
            operation.function,
            operation._output_shape,
            operation.mask,
            operation.arguments,
            name=operation.name,
            dtype=keras.dtype_policies.get(dtype),
        )
    config = operation.get_config() if config is None else config
    return type(operation).from_config(config)
