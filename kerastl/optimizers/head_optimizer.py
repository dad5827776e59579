"""A learning rate of its own for the classifier."""

import keras

from kerastl.arguments import checked_number
from kerastl.optimizers.grouped_optimizer import grouped_optimizer
from kerastl.surgery.find_head import find_head


def head_optimizer(
    model: keras.Model,
    base: str | keras.optimizers.Optimizer,
    factor: float = 10.0,
) -> keras.optimizers.Optimizer:
    """Makes an optimizer in which the classifier learns faster or slower.

    A new classifier has further to go than a body that is trained already.
    The body learns as `base` says, the head at `factor` times that rate, and
    so do weights that are not the model's, such as those of losses.
    `factor=1` is `base` itself. Schedules, momentum, averages of the weights,
    clipping and all other settings of `base` are kept, with XLA, mixed
    precision, saving and loading.

    Args:
        model: The network to train, its head in place, see
            `kerastl.surgery.find_head`. Inside a `FineTuner`: its student.
        base: A `keras.optimizers.Optimizer`; its class, settings and rate are
            taken over.
        factor: Rate of the head, as a multiple of the body's.

    Returns:
        A `keras.optimizers.MultiOptimizer`.

    Raises:
        ValueError: If `factor` is not positive, `base` wraps others, the model
            has no classifier or nothing beside it, or weights of both have
            the same path.

    Example:

    ```python
    optimizer = kerastl.optimizers.head_optimizer(
        student, keras.optimizers.Adam(0.0005), factor=10.0
    )
    student.compile(optimizer, "sparse_categorical_crossentropy")
    ```

    Reference:
        Yosinski et al., "How transferable are features in deep neural
        networks?", NeurIPS 2014, and the usual practice since: ten times the
        rate for the new layer.
    """
    factor = checked_number("factor", factor, above=0)
    head = find_head(model).layer
    if head is None:
        raise ValueError(
            "The model has no classifier that could learn at a rate of its "
            "own. Put one on with `kerastl.replace_head`. "
            f"Received: model={model.name!r}"
        )
    body = [
        layer
        for layer in model.layers
        if layer is not head and layer.trainable_weights
    ]
    if not body:
        raise ValueError(
            "Only the classifier of the model is trained: there is no other "
            "rate that its own could be a multiple of. Set that of `base`. "
            f"Received: model={model.name!r}, factor={factor}"
        )
    return grouped_optimizer(model, base, [body, [head]], [1.0, factor], [0, 0])
