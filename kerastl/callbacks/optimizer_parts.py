"""Which optimizer trains which weights."""

import keras


def optimizer_parts(optimizer, variables) -> list:
    """The optimizers that do the work, each with the weights that it trains.

    Looks through `LossScaleOptimizer` and `MultiOptimizer`. Builds the
    optimizer if it has not been.

    Args:
        optimizer: a `keras.optimizers.Optimizer`.
        variables: all trainable weights of the model.

    Returns:
        A list of pairs of optimizer and list of variables.
    """
    if not optimizer.built:
        optimizer.build(variables)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer_parts(optimizer.inner_optimizer, variables)
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        return [
            (part, list(part._trainable_variables))
            for part in optimizer.optimizers
            if part.built
        ]
    return [(optimizer, list(optimizer._trainable_variables))]
